// Enrol an authenticator app, and log in with it.

import { deepEqual, equal, ok } from "node:assert/strict";
import { ACCOUNT, PASSWORD, SERVER } from "../account.js";
import { code } from "../totp.js";
import { createClient } from "./generated/client/index.js";
import { beginTotpEnrolment, confirmTotpEnrolment, listMySecondFactors, login } from "./generated/index.js";

const visitor = createClient({ baseUrl: SERVER });
const credentials = { username: ACCOUNT, password: PASSWORD };
const { data: opened } = await login({ client: visitor, body: credentials });
ok(opened);
const client = createClient({ baseUrl: SERVER, auth: opened.token });

const { data: offer } = await beginTotpEnrolment({ client, body: { password: PASSWORD } });
ok(offer);
const { data: enrolled } = await confirmTotpEnrolment({
  client,
  body: { token: offer.token, name: "phone", code: code(offer.secret) },
});
ok(enrolled);
equal(enrolled.codes?.length, 10);

const { error: challenge } = await login({ client: visitor, body: credentials });
ok(challenge?.code === "SECOND_FACTOR_CHALLENGE_REQUIRED_ERROR");
deepEqual(challenge.types, ["totp", "backup"]);
// A code is good once: this is the next one.
const answer = { token: challenge.token, type: "totp", code: code(offer.secret, 1) } as const;
const { data: again } = await login({ client: visitor, body: { "2fa": answer, rememberMe: true } });
ok(again);

const { data: factors } = await listMySecondFactors({
  client: createClient({ baseUrl: SERVER, auth: again.token }),
});
deepEqual(factors?.items, [{ id: enrolled.id, name: "phone" }]);
