import { login } from "../hey-api/generated/index.js";

// wrong: a number where a string belongs
await login({ body: { username: 1843, password: "analytical engine 1843" } });
