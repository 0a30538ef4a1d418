// openid-client: looks the endpoints up, asks about a token, and revokes it.

import { deepEqual, equal, rejects } from "node:assert/strict";
import * as client from "openid-client";
import { ACCOUNT } from "../account.js";
import { CLIENT_ID, CLIENT_SECRET, ISSUER, lead, logIn } from "./service.js";

const discover = (secret: string | undefined, authentication: client.ClientAuth) =>
  client.discovery(ISSUER, CLIENT_ID, secret, authentication, {
    algorithm: "oauth2",
    [client.customFetch]: lead as client.CustomFetch,
  });

const anybody = await discover(undefined, client.None());
for (const authentication of [client.ClientSecretBasic(CLIENT_SECRET), client.ClientSecretPost(CLIENT_SECRET)]) {
  const service = await discover(CLIENT_SECRET, authentication);
  for (const revoker of [anybody, service]) {
    const token = await logIn();
    const told = await client.tokenIntrospection(service, token);
    equal(told.active, true);
    equal(told.username, ACCOUNT);
    equal(told.iss, ISSUER.href.replace(/\/$/, ""));
    deepEqual([told["amr"], told["acr"]], [["pwd"], "aal1"]);
    await client.tokenRevocation(revoker, token);
    deepEqual(await client.tokenIntrospection(service, token), { active: false });
    // It is no error that it is over.
    await client.tokenRevocation(revoker, token);
  }
}
await client.tokenRevocation(anybody, "nobody's");
const impostor = await discover("wrong", client.ClientSecretBasic("wrong"));
await rejects(client.tokenIntrospection(impostor, "x"), client.WWWAuthenticateChallengeError);
