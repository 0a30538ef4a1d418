import createClient from "openapi-fetch";
import type { paths } from "../openapi-fetch/schema.js";

const client = createClient<paths>({});
// wrong: an answer of an authenticator app without a code
await client.POST("/api/login", { body: { "2fa": { token: "", type: "totp" } } });
