import createClient from "openapi-fetch";
import type { paths } from "../openapi-fetch/schema.js";

const client = createClient<paths>({});
// wrong: a login without a password
await client.POST("/api/login", { body: { username: "ada" } });
