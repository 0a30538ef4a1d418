import createClient from "openapi-fetch";
import type { paths } from "../openapi-fetch/schema.js";

const client = createClient<paths>({});
// wrong: a number where a string belongs
await client.POST("/api/login", { body: { username: 1843, password: "analytical engine 1843" } });
