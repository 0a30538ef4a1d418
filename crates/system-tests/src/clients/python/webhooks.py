"""standardwebhooks: an endpoint that verifies what it is sent, with the old secret and with the new one."""

import base64
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SERVER, ACCOUNT, PASSWORD, PORT = (os.environ[name] for name in ("SERVER", "ACCOUNT", "PASSWORD", "PORT"))
secrets = [Webhook(os.environ[name]) for name in ("OLD_SECRET", "NEW_SECRET")]
stranger = Webhook(base64.b64encode(bytes(32)).decode())
events: list[dict] = []
faults: list[BaseException] = []
done = threading.Event()


def refused(secret: Webhook, body: bytes, headers: dict[str, str]) -> bool:
    try:
        secret.verify(body, headers)
    except WebhookVerificationError:
        return True
    return False


def take(body: bytes, headers: dict[str, str]) -> None:
    for secret in secrets:
        assert secret.verify(body, headers) == json.loads(body)
        assert refused(secret, body.replace(b"session", b"Session"), headers)
        assert refused(secret, body, {**headers, "webhook-id": "1-0000000000000000"})
    assert refused(stranger, body, headers)
    events.append(json.loads(body))


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            take(body, dict(self.headers))
        except BaseException as fault:
            faults.append(fault)
        self.send_response(400 if faults else 204)
        self.end_headers()
        if faults or len(events) == 4:
            done.set()

    def log_message(self, *_: object) -> None:
        pass


endpoint = ThreadingHTTPServer(("127.0.0.1", int(PORT)), Endpoint)
threading.Thread(target=endpoint.serve_forever, daemon=True).start()
for _ in range(2):
    login = requests.post(f"{SERVER}/api/login", json={"username": ACCOUNT, "password": PASSWORD})
    ended = requests.delete(f"{SERVER}/api/users/me/sessions/me", headers={"Authorization": login.json()["token"]})
    assert ended.status_code == 200, ended.text
assert done.wait(60), "nothing was delivered"
if faults:
    raise faults[0]
assert [event["type"] for event in events] == ["session.created", "session.ended"] * 2, events
endpoint.shutdown()
