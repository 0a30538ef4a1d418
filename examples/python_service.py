"""An example: a service in one file, with PyJWT and Authlib (pip install 'pyjwt[crypto]' authlib requests).

A token's signature is checked first, so that what was made up costs nobody anything; then the server is asked whether the
session is live now, and what it may do. 401 means "log in", 403 "not with this session"; where nobody can tell, the answer is
503.

Its settings come from the environment: PORT, SESSION_SERVER (http://127.0.0.1:8000), ISSUER (as the server's `issuer`),
CLIENT_ID and CLIENT_SECRET_FILE (what `thunderhead service create` printed after the colon).
"""

import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
from authlib.integrations.requests_client import OAuth2Session

SERVER, ISSUER = os.environ["SESSION_SERVER"], os.environ["ISSUER"]
CLIENT_ID, CLIENT_SECRET = os.environ["CLIENT_ID"], Path(os.environ["CLIENT_SECRET_FILE"]).read_text().strip()
DEADLINE = 2  # seconds

keys = jwt.PyJWKClient(f"{SERVER}/.well-known/jwks.json", lifespan=30, timeout=DEADLINE)
INVALID = 'Bearer error="invalid_token"'


class Refused(Exception):
    def __init__(self, status: int, challenge: str) -> None:
        super().__init__(f"refused with {status}")
        self.status, self.challenge = status, challenge


def authorize(header: str, scope: str) -> dict:
    """The claims of a live session that has the scope."""
    found = re.fullmatch(r"bearer +([\w.~+/=-]+)", header, re.IGNORECASE | re.ASCII)
    if found is None:
        raise Refused(401, "Bearer")
    claims, live = verify(found[1]), introspect(found[1])
    if not live["active"]:
        raise Refused(401, INVALID)
    if (live["sub"], live["jti"]) != (claims["sub"], claims["jti"]):
        raise ValueError("an answer about another session")
    if live["scope"] != "FULL" and not {scope, "ALL"} & set(live["scope"].split(" ")):
        raise Refused(403, f'Bearer error="insufficient_scope", scope="{scope}"')
    return live


def verify(token: str) -> dict:
    """What is signed; keys that cannot be fetched say nothing about the token."""
    try:
        key = keys.get_signing_key_from_jwt(token)
        required = {"require": ["iss", "sub", "iat", "exp", "jti"], "verify_aud": False}
        claims = jwt.decode(token, key, algorithms=["ES256"], issuer=ISSUER, options=required)
    except jwt.PyJWKClientConnectionError:
        raise
    except jwt.PyJWTError as error:
        raise Refused(401, INVALID) from error
    if claims.get("purpose") != "session":
        raise Refused(401, INVALID)
    return claims


def introspect(token: str) -> dict:
    # One for each question: a session of requests is no matter for several threads.
    with OAuth2Session(CLIENT_ID, CLIENT_SECRET, token_endpoint_auth_method="client_secret_basic") as service:
        answer = service.introspect_token(f"{SERVER}/introspect", token=token, timeout=DEADLINE)
    answer.raise_for_status()
    return answer.json()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, challenge, body = 200, None, b""
        try:
            session = authorize(self.headers.get("Authorization", ""), "FILE_READ")
            body = f"the files of {session['username']}\n".encode()
        except Refused as refused:
            status, challenge = refused.status, refused.challenge
        except Exception as error:  # Whatever it is, nobody is let in.
            print(f"nobody can tell: {error}", file=sys.stderr)
            status = 503
        self.send_response(status)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


listener = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
print(f"The service serves http://127.0.0.1:{listener.server_address[1]}/", flush=True)
listener.serve_forever()
