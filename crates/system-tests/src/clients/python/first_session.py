"""The first session of the README: log in, see where, make a token for a script, end one session, then all."""

import os

from thunderhead_client import AuthenticatedClient, Client
from thunderhead_client.api.getting_in import login
from thunderhead_client.api.own_account import get_my_account
from thunderhead_client.api.own_sessions import (
    create_my_scoped_session,
    end_all_my_sessions,
    end_my_session,
    list_my_sessions,
)
from thunderhead_client.models import (
    DeleteSession,
    DeleteSessions,
    InsufficientPermissionsError,
    InvalidPasswordError,
    InvalidSessionError,
    LoginWithPassword,
    NewScopedSessionWithPassword,
    ScopedSessionCreate,
    SessionDevice,
    SessionList,
    SuccessfulAuth,
)

SERVER, ACCOUNT, PASSWORD = (os.environ[name] for name in ("SERVER", "ACCOUNT", "PASSWORD"))
UPLOAD_FILE = 2

visitor = Client(base_url=SERVER)
refused = login.sync(client=visitor, body=LoginWithPassword(username=ACCOUNT, password="something else"))
assert isinstance(refused, InvalidPasswordError), refused
credentials = LoginWithPassword(username=ACCOUNT, password=PASSWORD, remember_me=False)
opened = login.sync(client=visitor, body=credentials, x_session_name="my terminal")
assert isinstance(opened, SuccessfulAuth), opened
client = AuthenticatedClient(base_url=SERVER, token=opened.token)

listed = list_my_sessions.sync(client=client, full=True, limit=10)
assert isinstance(listed, SessionList), listed
[here] = listed.items
assert isinstance(here, SessionDevice), here
assert (here.name, here.current, here.permission_flags, here.exp) == ("my terminal", True, None, opened.exp), here
assert here.created_at.timestamp() <= here.exp and here.ip == "127.0.0.1", here

wanted = NewScopedSessionWithPassword(name="upload only", permission_flags=UPLOAD_FILE, password=PASSWORD)
scoped = create_my_scoped_session.sync(client=client, body=wanted)
assert isinstance(scoped, ScopedSessionCreate) and scoped.permission_flags == UPLOAD_FILE, scoped
script = AuthenticatedClient(base_url=SERVER, token=scoped.token)
kept_out = get_my_account.sync(client=script)
assert isinstance(kept_out, InsufficientPermissionsError), kept_out

ended = end_my_session.sync(str(scoped.id), client=client)
assert isinstance(ended, DeleteSession), ended
gone = get_my_account.sync(client=script)
assert isinstance(gone, InvalidSessionError), gone

all_ended = end_all_my_sessions.sync(client=client, include_self=True)
assert isinstance(all_ended, DeleteSessions) and all_ended.count == 1, all_ended
signed_out = list_my_sessions.sync(client=client)
assert isinstance(signed_out, InvalidSessionError), signed_out
