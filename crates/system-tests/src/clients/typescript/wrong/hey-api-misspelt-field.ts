import { login } from "../hey-api/generated/index.js";

// wrong: a field that there is not
await login({ body: { username: "ada", password: "analytical engine 1843", remember: true } });
