from thunderhead_client import Client
from thunderhead_client.api.getting_in import login
from thunderhead_client.models import LoginWithSecondFactor, TotpAnswer

client = Client(base_url="")
# wrong: an answer of an authenticator app without a code
login.sync(client=client, body=LoginWithSecondFactor(field_2fa=TotpAnswer(token="", type_="totp")))
