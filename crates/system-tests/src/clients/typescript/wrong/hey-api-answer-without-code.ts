import { login } from "../hey-api/generated/index.js";

// wrong: an answer of an authenticator app without a code
await login({ body: { "2fa": { token: "", type: "totp" } } });
