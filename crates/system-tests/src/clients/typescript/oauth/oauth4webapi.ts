// oauth4webapi: the same step by step; and jose checks a signature with the keys that the metadata lead to.

import { equal, rejects } from "node:assert/strict";
import { createRemoteJWKSet, customFetch as fetchKeysBy, errors, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import { AUDIENCE, CLIENT_ID, CLIENT_SECRET, ISSUER, lead, logIn } from "./service.js";

const led = { [oauth.customFetch]: lead };
const found = await oauth.discoveryRequest(ISSUER, { algorithm: "oauth2", ...led });
const server = await oauth.processDiscoveryResponse(ISSUER, found);
const service: oauth.Client = { client_id: CLIENT_ID };

for (const authentication of [oauth.ClientSecretBasic(CLIENT_SECRET), oauth.ClientSecretPost(CLIENT_SECRET)]) {
  const token = await logIn();
  const isActive = async () => {
    const answer = await oauth.introspectionRequest(server, service, authentication, token, led);
    return (await oauth.processIntrospectionResponse(server, service, answer)).active;
  };
  equal(await isActive(), true);
  const revoked = await oauth.revocationRequest(server, service, oauth.None(), token, led);
  await oauth.processRevocationResponse(revoked);
  equal(await isActive(), false);
}

const token = await logIn();
const keys = createRemoteJWKSet(new URL(server.jwks_uri ?? ""), { [fetchKeysBy]: lead });
const { payload } = await jwtVerify(token, keys, { issuer: server.issuer, audience: AUDIENCE, algorithms: ["ES256"] });
equal(payload["purpose"], "session");
await rejects(jwtVerify(token, keys, { issuer: server.issuer, audience: "another" }), errors.JWTClaimValidationFailed);
