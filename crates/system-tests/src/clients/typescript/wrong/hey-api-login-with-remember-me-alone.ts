import { login } from "../hey-api/generated/index.js";

// wrong: a login with nothing but rememberMe
await login({ body: { rememberMe: true } });
