from thunderhead_client import Client
from thunderhead_client.api.getting_in import login
from thunderhead_client.models import LoginWithPassword

client = Client(base_url="")
# wrong: a login with nothing but rememberMe
login.sync(client=client, body=LoginWithPassword(remember_me=True))
