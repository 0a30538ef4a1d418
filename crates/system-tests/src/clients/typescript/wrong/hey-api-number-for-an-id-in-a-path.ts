import { endMySession } from "../hey-api/generated/index.js";

// wrong: a number in a path, where ids are strings
await endMySession({ path: { sid: 1795254447 } });
