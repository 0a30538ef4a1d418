import { login } from "../hey-api/generated/index.js";

// wrong: a login without a password
await login({ body: { username: "ada" } });
