import { listMySessions } from "../hey-api/generated/index.js";

// wrong: a text where a number belongs
await listMySessions({ query: { limit: "x" } });
