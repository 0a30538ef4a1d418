// The service that asks, and the server as it finds it: requests for the issuer go to where the server listens.

import { ok } from "node:assert/strict";
import { ACCOUNT, PASSWORD, SERVER, of } from "../account.js";

export const ISSUER = new URL(of("ISSUER"));
export const AUDIENCE = of("AUDIENCE");
export const CLIENT_ID = of("CLIENT_ID");
export const CLIENT_SECRET = of("CLIENT_SECRET");

export const lead = (url: string, init?: object): Promise<Response> => {
  const asked = new URL(url);
  ok(asked.origin === ISSUER.origin, url);
  return fetch(SERVER + asked.pathname + asked.search, init);
};

export const logIn = async (): Promise<string> => {
  const answer = await fetch(`${SERVER}/api/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username: ACCOUNT, password: PASSWORD }),
  });
  const { token } = (await answer.json()) as { token?: string };
  ok(token);
  return token;
};
