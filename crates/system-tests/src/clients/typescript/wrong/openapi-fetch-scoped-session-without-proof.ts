import createClient from "openapi-fetch";
import type { paths } from "../openapi-fetch/schema.js";

const client = createClient<paths>({});
// wrong: no proof of identity
await client.POST("/api/users/me/sessions", { body: { name: "upload only", permissionFlags: 2 } });
