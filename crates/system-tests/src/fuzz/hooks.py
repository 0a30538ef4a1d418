"""What schemathesis cannot know: who calls, and how callers are kept alive while the cases end sessions, ban users and
delete accounts. `cargo xtask fuzz` sets the environment.

Some of the cases are helped along, so that answers of success are seen too: with ids that exist, and with the right
password, or the second factor in its place.
"""

import atexit
import base64
import collections
import hashlib
import hmac
import itertools
import json
import os
import random
import struct
import subprocess
import time

import requests
import schemathesis

BASE = os.environ["FUZZ_BASE"]
ROLE = os.environ["FUZZ_ROLE"]
THUNDERHEAD = os.environ["FUZZ_THUNDERHEAD"]
FIGURES = os.environ["FUZZ_FIGURES"]
SEED = int(os.environ["FUZZ_SEED"])
PASSWORD = "seven kettles on the moor"
NEW_PASSWORD = "nine lanterns by the weir"
# What a scoped session may do: everything, or the usual of an ordinary user (see the table of scopes).
FLAGS = [1, 4 | 8 | 16 | 32 | 64]
# A caller is replaced after so many cases in any case: its failures and sessions pile up.
WEAR = 150

rng = random.Random(SEED)
serial = itertools.count()
repeated = 0
http = requests.Session()
http.trust_env = False


def operate(*arguments, stdin=""):
    """The command line of the server under test."""
    subprocess.run([THUNDERHEAD, *arguments], input=stdin, text=True, check=True, stdout=subprocess.DEVNULL)


def call(method, path, token=None, body=None):
    """A request beside the cases. Switches that a case has turned on would refuse it, and learn nothing."""
    answer = send(method, path, token, body)
    if shut_by(answer):
        for switch in ["GLOBAL", "ACCOUNT_LOGIN", "ACCOUNT_MODIFY"]:
            operate("kill-switch", "off", switch)
        answer = send(method, path, token, body)
    return answer


def send(method, path, token, body):
    """An idle connection may end just when it is used again: a GET is then repeated (RFC 9110, section 9.2.2), once,
    and counted."""
    global repeated
    headers = {"Authorization": token} if token else {}
    try:
        return http.request(method, BASE + path, headers=headers, json=body, timeout=30)
    except requests.ConnectionError:
        if method != "GET":
            raise
        repeated += 1
        return http.request(method, BASE + path, headers=headers, json=body, timeout=30)


def must(response):
    if not response.ok:
        raise RuntimeError(f"{response.request.method} {response.request.url}: {response.status_code} {response.text}")
    return response.json()


def totp(secret):
    """RFC 6238 with SHA-1, six digits, 30 seconds."""
    counter = struct.pack(">Q", int(time.time()) // 30)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset:offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


class User:
    """Somebody who can log in, with a second factor or without."""

    def __init__(self, staff=False, factor=False):
        self.name = f"{ROLE}{SEED}n{next(serial)}"
        flags = ["--staff"] if staff else []
        operate("user", "create", self.name, "--email", f"{self.name}@example.org", "--password-stdin", *flags, stdin=PASSWORD)
        self.codes = []
        self.factor = None
        self.token = self.log_in()
        self.id = must(call("GET", "/api/users/me", self.token))["id"]
        if factor:
            self.enrol()
            # Through the challenge: a session that was asked for its factor.
            self.token = self.log_in()

    def log_in(self):
        answer = call("POST", "/api/login", body={"username": self.name, "password": PASSWORD})
        if answer.status_code == 401 and self.codes:
            answer = call("POST", "/api/login", body={"2fa": self.second_factor(answer.json())})
        return must(answer)["token"]

    def enrol(self):
        offer = must(call("POST", "/api/users/me/2fa/totp", self.token, {"password": PASSWORD}))
        body = {"token": offer["token"], "name": "phone", "code": totp(offer["secret"])}
        enrolled = must(call("POST", "/api/users/me/2fa/totp/confirm", self.token, body))
        self.factor, self.codes = enrolled["id"], enrolled["codes"]

    def second_factor(self, challenge):
        """A TOTP code works once in its 30 seconds; of backup codes there are ten."""
        return {"token": challenge["token"], "type": "backup", "code": self.codes.pop()}

    def scoped(self, flags):
        body = {"name": "fuzz", "permissionFlags": flags, "password": PASSWORD}
        answer = call("POST", "/api/users/me/sessions", self.token, body)
        if answer.status_code == 401 and self.codes:
            del body["password"]
            answer = call("POST", "/api/users/me/sessions", self.token, {**body, "2fa": self.second_factor(answer.json())})
        return must(answer)["token"]

    def session(self):
        items = must(call("GET", "/api/users/me/sessions", self.token))["items"]
        return str(rng.choice(items)["id"]) if items else "me"


class Caller:
    """Who makes the cases."""

    def __init__(self):
        self.token = self.user = None
        self.worn = 0
        self.victims = []
        self.renewed = 0

    def is_alive(self):
        return self.token is not None and call("GET", "/api/users/me", self.token).status_code == 200

    def renew(self):
        """A fresh user with a fresh session."""
        self.renewed += 1
        self.worn = 0
        if ROLE == "user":
            # Every other one has a factor, so that both ways to prove an identity are gone.
            self.user = User(factor=self.renewed % 2 == 0)
            self.token = self.user.token
        elif ROLE == "staff":
            self.user = User(staff=True, factor=True)
            self.token = self.user.token
        elif ROLE == "scoped":
            # Every other one is staff's, for the staff scopes.
            staff = self.renewed % 2 == 0
            self.user = User(staff=staff, factor=staff)
            self.token = self.user.scoped(FLAGS[self.renewed // 2 % 2])

    def victim(self):
        """Another user, who may have been banned or deleted by a case already."""
        if len(self.victims) < 3 or rng.random() < 0.05:
            self.victims = [*self.victims[-3:], User(factor=rng.random() < 0.5)]
        return rng.choice(self.victims)


caller = Caller()
cases = 0
statuses = collections.Counter()
operations = collections.defaultdict(collections.Counter)


@schemathesis.hook
def before_call(context, case, kwargs):
    case.headers = case.headers or {}
    if ROLE == "anonymous":
        # The other half brings something made up.
        if rng.random() < 0.5:
            case.headers.pop("Authorization", None)
        return
    if caller.worn >= WEAR or not caller.is_alive():
        caller.renew()
    caller.worn += 1
    case.headers["Authorization"] = caller.token
    if rng.random() < 0.6:
        help_along(case)


def help_along(case):
    """Ids that exist, and the proof of identity."""
    parameters = case.path_parameters or {}
    about = caller.user
    if "uid" in parameters:
        about = caller.victim()
        parameters["uid"] = about.id
    if "sid" in parameters:
        parameters["sid"] = "me" if about is caller.user and rng.random() < 0.3 else alive_session(about)
    if "fid" in parameters and about.factor:
        parameters["fid"] = about.factor
    if "id" in parameters:
        parameters["id"] = str(rng.randrange(9))
    body = case.body
    if not isinstance(body, dict) or ROLE == "scoped":
        return
    body.pop("2fa", None)
    body["password"] = PASSWORD
    if "newPassword" in body and rng.random() < 0.7:
        body["newPassword"] = body["confirmNewPassword"] = NEW_PASSWORD
    if case.path.endswith("/totp/confirm"):
        confirm(body)
    if caller.user.codes and rng.random() < 0.4:
        challenge = call(case.method, case.formatted_path, caller.token, body)
        if challenge.status_code == 401 and "token" in challenge.json():
            del body["password"]
            body["2fa"] = caller.user.second_factor(challenge.json())


def confirm(body):
    """Makes the confirmation of an offer true, where the password alone brings one."""
    offer = call("POST", "/api/users/me/2fa/totp", caller.token, {"password": PASSWORD})
    if offer.status_code == 200:
        body.update(token=offer.json()["token"], name="phone", code=totp(offer.json()["secret"]))


def alive_session(user):
    try:
        return user.session()
    except RuntimeError:
        return "1767225600"


def shut_by(answer):
    """Whether a kill switch refused: that is an answer of the API, and no fault. A proxy is told without a body."""
    return answer.status_code == 503 and (not answer.content or "feature" in answer.json())


@schemathesis.check
def no_fault_of_the_server(ctx, response, case):
    if response.status_code >= 500 and not shut_by(response):
        raise AssertionError(f"a fault of the server: {response.status_code}")


@schemathesis.hook
def after_call(context, case, response):
    global cases
    cases += 1
    statuses[response.status_code] += 1
    operations[f"{case.method.upper()} {case.operation.path}"][response.status_code] += 1
    # Too many failures on one account: it would have to wait, and nothing more would be learnt.
    if response.status_code == 429:
        caller.token = None


@atexit.register
def write_figures():
    with open(FIGURES, "w", encoding="utf-8") as file:
        json.dump({
            "cases": cases,
            "callers": caller.renewed,
            "repeated": repeated,
            "statuses": {str(status): count for status, count in sorted(statuses.items())},
            "seen": {name: dict(seen) for name, seen in sorted(operations.items())},
        }, file, indent=1)
