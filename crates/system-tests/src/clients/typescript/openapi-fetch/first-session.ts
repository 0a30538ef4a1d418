// The first session of the README: log in, see where, make a token for a script, end one session, then all.

import { equal, ok } from "node:assert/strict";
import createClient from "openapi-fetch";
import { ACCOUNT, PASSWORD, SERVER } from "../account.js";
import type { paths } from "./schema.js";

const UPLOAD_FILE = 2;

const visitor = createClient<paths>({ baseUrl: SERVER });
const as = (token: string) =>
  createClient<paths>({ baseUrl: SERVER, headers: { Authorization: `Bearer ${token}` } });

const refused = await visitor.POST("/api/login", { body: { username: ACCOUNT, password: "something else" } });
equal(refused.error?.code, "INVALID_PASSWORD_ERROR");
const { data: opened, error } = await visitor.POST("/api/login", {
  params: { header: { "X-Session-Name": "my terminal" } },
  body: { username: ACCOUNT, password: PASSWORD, rememberMe: false },
});
ok(opened, error?.message);
const client = as(opened.token);

const { data: listed } = await client.GET("/api/users/me/sessions", {
  params: { query: { full: true, limit: 10 } },
});
const here = listed?.items[0];
ok(listed?.count === 1 && here && "current" in here);
equal(here.name, "my terminal");
equal(here.exp, opened.exp);
ok(here.current && here.permissionFlags === null && here.ip === "127.0.0.1");
ok(Date.parse(here.createdAt) <= here.exp * 1000);

const { data: scoped } = await client.POST("/api/users/me/sessions", {
  body: { name: "upload only", permissionFlags: UPLOAD_FILE, password: PASSWORD },
});
ok(scoped?.permissionFlags === UPLOAD_FILE);
const script = as(scoped.token);
const keptOut = await script.GET("/api/users/me");
equal(keptOut.error?.code, "INSUFFICIENT_PERMISSIONS_ERROR");

const ended = await client.DELETE("/api/users/me/sessions/{sid}", { params: { path: { sid: String(scoped.id) } } });
equal(ended.data?.code, "DELETE_SESSION_SUCCESS");
const gone = await script.GET("/api/users/me");
equal(gone.error?.code, "INVALID_SESSION_ERROR");

const allEnded = await client.DELETE("/api/users/me/sessions/all", { params: { query: { "include-self": true } } });
equal(allEnded.data?.count, 1);
const signedOut = await client.GET("/api/users/me/sessions");
equal(signedOut.error?.code, "INVALID_SESSION_ERROR");
