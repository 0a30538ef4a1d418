import createClient from "openapi-fetch";
import type { paths } from "../openapi-fetch/schema.js";

const client = createClient<paths>({});
// wrong: a text where a number belongs
await client.GET("/api/users/me/sessions", { params: { query: { limit: "x" } } });
