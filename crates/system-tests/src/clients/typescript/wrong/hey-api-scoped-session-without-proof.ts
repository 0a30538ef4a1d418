import { createMyScopedSession } from "../hey-api/generated/index.js";

// wrong: no proof of identity
await createMyScopedSession({ body: { name: "upload only", permissionFlags: 2 } });
