// standardwebhooks: an endpoint that verifies what it is sent, with the old secret and with the new one.

import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { ACCOUNT, PASSWORD, SERVER, of } from "../account.js";

const secrets = [of("OLD_SECRET"), of("NEW_SECRET")].map((secret) => new Webhook(secret));
const stranger = new Webhook(Buffer.alloc(32, 7).toString("base64"));
const types: string[] = [];

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString("utf8");
};

const endpoint = createServer(async (request, response) => {
  const body = await bodyOf(request);
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  try {
    for (const secret of secrets) deepEqual(secret.verify(body, headers), JSON.parse(body));
    throws(() => stranger.verify(body, headers), WebhookVerificationError);
    throws(() => secrets[0]?.verify(body.replace("session", "Session"), headers), WebhookVerificationError);
    throws(() => secrets[0]?.verify(body, { ...headers, "webhook-id": "1-0000000000000000" }), WebhookVerificationError);
    const event = JSON.parse(body) as { type: string; timestamp: string; data: { user_id: string } };
    ok(event.data.user_id.length === 13 && !Number.isNaN(Date.parse(event.timestamp)), body);
    types.push(event.type);
    response.writeHead(204).end();
    if (types.length === 4) endpoint.emit("done");
  } catch (error) {
    endpoint.emit("error", error);
  }
});

const call = (method: string, path: string, token?: string, body?: object): Promise<Response> =>
  fetch(SERVER + path, {
    method,
    headers: { "Content-Type": "application/json", ...(token && { Authorization: token }) },
    ...(body && { body: JSON.stringify(body) }),
  });

endpoint.listen(Number(of("PORT")), "127.0.0.1");
await once(endpoint, "listening");
const done = once(endpoint, "done", { signal: AbortSignal.timeout(60_000) });
for (let turn = 0; turn < 2; turn += 1) {
  const login = await call("POST", "/api/login", undefined, { username: ACCOUNT, password: PASSWORD });
  const { token } = (await login.json()) as { token: string };
  equal((await call("DELETE", "/api/users/me/sessions/me", token)).status, 200);
}
await done;
deepEqual(types, ["session.created", "session.ended", "session.created", "session.ended"]);
endpoint.closeAllConnections();
endpoint.close();
