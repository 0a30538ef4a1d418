"""Enrol an authenticator app, and log in with it."""

import os

import totp
from thunderhead_client import AuthenticatedClient, Client
from thunderhead_client.api.getting_in import login
from thunderhead_client.api.own_second_factors import (
    begin_totp_enrolment,
    confirm_totp_enrolment,
    list_my_second_factors,
)
from thunderhead_client.models import (
    LoginWithPassword,
    LoginWithSecondFactor,
    PasswordProof,
    SecondFactorChallengeRequiredError,
    SecondFactorEnrolled,
    SecondFactorList,
    SuccessfulAuth,
    TotpAnswer,
    TotpConfirmation,
    TotpOffer,
)

SERVER, ACCOUNT, PASSWORD = (os.environ[name] for name in ("SERVER", "ACCOUNT", "PASSWORD"))

visitor = Client(base_url=SERVER)
credentials = LoginWithPassword(username=ACCOUNT, password=PASSWORD)
opened = login.sync(client=visitor, body=credentials)
assert isinstance(opened, SuccessfulAuth), opened
client = AuthenticatedClient(base_url=SERVER, token=opened.token)

offer = begin_totp_enrolment.sync(client=client, body=PasswordProof(password=PASSWORD))
assert isinstance(offer, TotpOffer), offer
confirmation = TotpConfirmation(token=offer.token, name="phone", code=totp.code(offer.secret))
enrolled = confirm_totp_enrolment.sync(client=client, body=confirmation)
assert isinstance(enrolled, SecondFactorEnrolled), enrolled
assert isinstance(enrolled.codes, list) and len(enrolled.codes) == 10, enrolled

challenge = login.sync(client=visitor, body=credentials)
assert isinstance(challenge, SecondFactorChallengeRequiredError), challenge
assert [kind.value for kind in challenge.types] == ["totp", "backup"], challenge
# A code is good once: this is the next one.
answer = TotpAnswer(token=challenge.token, type_="totp", code=totp.code(offer.secret, periods_later=1))
opened = login.sync(client=visitor, body=LoginWithSecondFactor(field_2fa=answer, remember_me=True))
assert isinstance(opened, SuccessfulAuth), opened

factors = list_my_second_factors.sync(client=AuthenticatedClient(base_url=SERVER, token=opened.token))
assert isinstance(factors, SecondFactorList), factors
assert [(factor.id, factor.name) for factor in factors.items] == [(enrolled.id, "phone")], factors
