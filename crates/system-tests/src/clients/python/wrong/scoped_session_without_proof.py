from thunderhead_client import AuthenticatedClient
from thunderhead_client.api.own_sessions import create_my_scoped_session
from thunderhead_client.models import NewScopedSessionWithPassword

client = AuthenticatedClient(base_url="", token="")
# wrong: no proof of identity
create_my_scoped_session.sync(client=client, body=NewScopedSessionWithPassword(name="upload only", permission_flags=2))
