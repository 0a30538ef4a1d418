from thunderhead_client import AuthenticatedClient
from thunderhead_client.api.own_sessions import list_my_sessions

client = AuthenticatedClient(base_url="", token="")
# wrong: a text where a number belongs
list_my_sessions.sync(client=client, limit="x")
