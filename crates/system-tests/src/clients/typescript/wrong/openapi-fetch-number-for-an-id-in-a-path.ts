import createClient from "openapi-fetch";
import type { paths } from "../openapi-fetch/schema.js";

const client = createClient<paths>({});
// wrong: a number in a path, where ids are strings
await client.DELETE("/api/users/me/sessions/{sid}", { params: { path: { sid: 1795254447 } } });
