import createClient from "openapi-fetch";
import type { paths } from "../openapi-fetch/schema.js";

const client = createClient<paths>({});
// wrong: a login with nothing but rememberMe
await client.POST("/api/login", { body: { rememberMe: true } });
