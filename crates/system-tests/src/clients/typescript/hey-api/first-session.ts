// The first session of the README: log in, see where, make a token for a script, end one session, then all.

import { equal, ok } from "node:assert/strict";
import { ACCOUNT, PASSWORD, SERVER } from "../account.js";
import { createClient } from "./generated/client/index.js";
import {
  createMyScopedSession,
  endAllMySessions,
  endMySession,
  getMyAccount,
  listMySessions,
  login,
} from "./generated/index.js";

const UPLOAD_FILE = 2;

const visitor = createClient({ baseUrl: SERVER });
const refused = await login({ client: visitor, body: { username: ACCOUNT, password: "something else" } });
equal(refused.error?.code, "INVALID_PASSWORD_ERROR");
const { data: opened, error } = await login({
  client: visitor,
  headers: { "X-Session-Name": "my terminal" },
  body: { username: ACCOUNT, password: PASSWORD, rememberMe: false },
});
ok(opened, error?.message);
const client = createClient({ baseUrl: SERVER, auth: opened.token });

const { data: listed } = await listMySessions({ client, query: { full: true, limit: 10 } });
const here = listed?.items[0];
ok(listed?.count === 1 && here && "current" in here);
equal(here.name, "my terminal");
equal(here.exp, opened.exp);
ok(here.current && here.permissionFlags === null && here.ip === "127.0.0.1");
ok(Date.parse(here.createdAt) <= here.exp * 1000);

const { data: scoped } = await createMyScopedSession({
  client,
  body: { name: "upload only", permissionFlags: UPLOAD_FILE, password: PASSWORD },
});
ok(scoped?.permissionFlags === UPLOAD_FILE);
const script = createClient({ baseUrl: SERVER, auth: scoped.token });
const keptOut = await getMyAccount({ client: script });
equal(keptOut.error?.code, "INSUFFICIENT_PERMISSIONS_ERROR");

const ended = await endMySession({ client, path: { sid: String(scoped.id) } });
equal(ended.data?.code, "DELETE_SESSION_SUCCESS");
const gone = await getMyAccount({ client: script });
equal(gone.error?.code, "INVALID_SESSION_ERROR");

const allEnded = await endAllMySessions({ client, query: { "include-self": true } });
equal(allEnded.data?.count, 1);
const signedOut = await listMySessions({ client });
equal(signedOut.error?.code, "INVALID_SESSION_ERROR");
