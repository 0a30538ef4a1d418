from thunderhead_client import AuthenticatedClient
from thunderhead_client.api.own_sessions import end_my_session

client = AuthenticatedClient(base_url="", token="")
# wrong: a number in a path, where ids are strings
end_my_session.sync(1795254447, client=client)
