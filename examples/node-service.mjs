// An example: a service in one file, with jose and oauth4webapi (npm install jose oauth4webapi). A token's signature is checked
// first, so that what was made up costs nobody anything; then the server is asked whether the session is live now, and what
// it may do. 401 means "log in", 403 "not with this session"; where nobody can tell, the answer is 503.
//
// Its settings come from the environment: PORT, SESSION_SERVER (http://127.0.0.1:8000), ISSUER (as the server's `issuer`),
// CLIENT_ID and CLIENT_SECRET_FILE (what `thunderhead service create` printed after the colon).

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";

const { PORT, SESSION_SERVER, ISSUER, CLIENT_ID, CLIENT_SECRET_FILE } = process.env;
const DEADLINE_MS = 2000;

const server = { issuer: ISSUER, introspection_endpoint: `${SESSION_SERVER}/introspect` };
const service = { client_id: CLIENT_ID };
const authentication = oauth.ClientSecretBasic(readFileSync(CLIENT_SECRET_FILE, "utf8").trim());
const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", SESSION_SERVER), {
  cacheMaxAge: 30_000,
  timeoutDuration: DEADLINE_MS,
});

class Refused extends Error {
  constructor(status, challenge) {
    super(`refused with ${status}`);
    Object.assign(this, { status, challenge });
  }
}

/** The claims of a live session that has the scope. */
async function authorize(request, scope) {
  const token = /^Bearer +([\w.~+/=-]+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (!token) throw new Refused(401, "Bearer");
  const claims = await verify(token);
  const live = await introspect(token);
  if (!live.active) throw new Refused(401, 'Bearer error="invalid_token"');
  if (live.sub !== claims.sub || live.jti !== claims.jti) throw new Error("an answer about another session");
  const scopes = live.scope.split(" ");
  if (![scope, "ALL"].some((name) => scopes.includes(name)) && live.scope !== "FULL") {
    throw new Refused(403, `Bearer error="insufficient_scope", scope="${scope}"`);
  }
  return live;
}

/** What is signed; keys that cannot be fetched say nothing about the token. */
async function verify(token) {
  try {
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, algorithms: ["ES256"], typ: "JWT" });
    if (payload.purpose === "session") return payload;
  } catch (error) {
    const away = error instanceof errors.JWKSTimeout || error.code === "ERR_JOSE_GENERIC";
    if (away || !(error instanceof errors.JOSEError)) throw error;
  }
  throw new Refused(401, 'Bearer error="invalid_token"');
}

async function introspect(token) {
  // Plain HTTP is for a server on this machine.
  const options = { [oauth.allowInsecureRequests]: true, signal: AbortSignal.timeout(DEADLINE_MS) };
  const answer = await oauth.introspectionRequest(server, service, authentication, token, options);
  return oauth.processIntrospectionResponse(server, service, answer);
}

async function answer(request, response) {
  try {
    const session = await authorize(request, "FILE_READ");
    response.writeHead(200, { "Cache-Control": "no-store" }).end(`the files of ${session.username}\n`);
  } catch (error) {
    const { status, challenge } = error instanceof Refused ? error : { status: 503 };
    if (status === 503) console.error(`nobody can tell: ${error}`);
    const headers = challenge ? { "WWW-Authenticate": challenge } : {};
    response.writeHead(status, { "Cache-Control": "no-store", ...headers }).end();
  }
}

const listener = createServer(answer).listen(Number(PORT), "127.0.0.1", () => {
  console.log(`The service serves http://127.0.0.1:${listener.address().port}/`);
});
