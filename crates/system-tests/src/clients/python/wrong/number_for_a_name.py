from thunderhead_client import Client
from thunderhead_client.api.getting_in import login
from thunderhead_client.models import LoginWithPassword

client = Client(base_url="")
# wrong: a number where a string belongs
login.sync(client=client, body=LoginWithPassword(username=1843, password="analytical engine 1843"))
