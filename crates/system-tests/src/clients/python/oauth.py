"""Authlib: looks the endpoints up, asks about a token, and revokes it."""

import os
from collections.abc import Mapping

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from requests.adapters import HTTPAdapter

SERVER, ACCOUNT, PASSWORD = (os.environ[name] for name in ("SERVER", "ACCOUNT", "PASSWORD"))
ISSUER, CLIENT_ID, CLIENT_SECRET = (os.environ[name] for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET"))


class Lead(HTTPAdapter):
    """Leads requests for the issuer to where the server listens."""

    def send(self, request: requests.PreparedRequest, *args, **kwargs) -> requests.Response:
        assert request.url is not None and request.url.startswith(ISSUER), request.url
        request.url = SERVER + request.url.removeprefix(ISSUER)
        return super().send(request, *args, **kwargs)


def log_in() -> str:
    answer = requests.post(f"{SERVER}/api/login", json={"username": ACCOUNT, "password": PASSWORD})
    return answer.json()["token"]


def session(method: str) -> OAuth2Session:
    made = OAuth2Session(CLIENT_ID, CLIENT_SECRET, token_endpoint_auth_method=method)
    made.mount(ISSUER, Lead())
    return made


looking = requests.Session()
looking.mount(ISSUER, Lead())
metadata = AuthorizationServerMetadata(looking.get(get_well_known_url(ISSUER, external=True)).json())
# All that is there; there is no token endpoint, which the whole would want.
for claim in metadata:
    getattr(metadata, f"validate_{claim}")()
assert metadata["issuer"] == ISSUER

for method in ("client_secret_basic", "client_secret_post"):
    service, anybody = session(method), session("none")

    def told(token: str) -> Mapping[str, object]:
        return service.introspect_token(metadata["introspection_endpoint"], token=token).json()

    for revoker in (service, anybody):
        token = log_in()
        assert told(token)["active"] is True and told(token)["username"] == ACCOUNT
        assert revoker.revoke_token(metadata["revocation_endpoint"], token=token).status_code == 200
        assert told(token) == {"active": False}
