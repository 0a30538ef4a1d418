// Enrol an authenticator app, and log in with it.

import { deepEqual, equal, ok } from "node:assert/strict";
import createClient from "openapi-fetch";
import { ACCOUNT, PASSWORD, SERVER } from "../account.js";
import { code } from "../totp.js";
import type { paths } from "./schema.js";

const visitor = createClient<paths>({ baseUrl: SERVER });
const as = (token: string) =>
  createClient<paths>({ baseUrl: SERVER, headers: { Authorization: `Bearer ${token}` } });

const credentials = { username: ACCOUNT, password: PASSWORD };
const { data: opened } = await visitor.POST("/api/login", { body: credentials });
ok(opened);
const client = as(opened.token);

const { data: offer } = await client.POST("/api/users/me/2fa/totp", { body: { password: PASSWORD } });
ok(offer);
const { data: enrolled } = await client.POST("/api/users/me/2fa/totp/confirm", {
  body: { token: offer.token, name: "phone", code: code(offer.secret) },
});
ok(enrolled);
equal(enrolled.codes?.length, 10);

const { error: challenge } = await visitor.POST("/api/login", { body: credentials });
ok(challenge?.code === "SECOND_FACTOR_CHALLENGE_REQUIRED_ERROR");
deepEqual(challenge.types, ["totp", "backup"]);
// A code is good once: this is the next one.
const answer = { token: challenge.token, type: "totp", code: code(offer.secret, 1) } as const;
const { data: again } = await visitor.POST("/api/login", { body: { "2fa": answer, rememberMe: true } });
ok(again);

const { data: factors } = await as(again.token).GET("/api/users/me/2fa");
deepEqual(factors?.items, [{ id: enrolled.id, name: "phone" }]);
