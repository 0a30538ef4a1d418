//! Documentation of the endpoints for those who carry no session.

use crate::api::entry::hello::Greeting;
use crate::api::entry::login::ApiLogIn;
use crate::api::entry::register::AccountRegistration;
use crate::api::error::ApiError;
use crate::api::tags;
use crate::api::wire::{PasskeyChallengeBody, SuccessfulAuth};
use crate::openapi::doc::{Doc, Success};
use crate::openapi::parameters;
use crate::request::body::RequestBody;

const ENTERED: Success = Success::created::<SuccessfulAuth>("A session is open, and this is its token.");

pub(crate) fn hello() -> Doc {
    Doc::new("hello", tags::ENTRY, "See whether anybody is there", Success::ok::<Greeting>("Somebody is."))
        .text("Any method gets the same answer.")
}

pub(crate) fn log_in() -> Doc {
    Doc::new("login", tags::ENTRY, "Log in", ENTERED)
        .text(
            "With name and password; or, as the answer to a second-factor challenge, with `2fa` alone; or with a \
             passkey, as `login/passkey` asks for one: whoever has it is told by it alone, and a passkey that does not \
             sign as it must, is unknown or was removed is answered with `InvalidSecondFactorResponse`. Where the setting `login_errors` is `uniform`, a wrong password is answered with `InvalidUser` too. While \
             `ACCOUNT_LOGIN` or `GLOBAL` is on, staff with the right password get in, and everybody else gets \
             `ServiceUnavailable`.",
        )
        .parameters([parameters::session_name()])
        .body(ApiLogIn::schema)
        .errors([ApiError::InvalidUser, ApiError::TooManySessions])
}

pub(crate) fn ask_for_passkey() -> Doc {
    let success = Success::ok::<PasskeyChallengeBody>("What the browser is to ask for.");
    Doc::new("beginPasskeyLogin", tags::ENTRY, "Begin to log in with a passkey", success).text(
        "The challenge names nobody, and is good once, for five minutes. Its `challenge` is for \
         `navigator.credentials.get`, also while a page's fields are filled in (conditional mediation); what that brings \
         is sent to `login` as `passkey`, with the token.",
    )
}

pub(crate) fn register() -> Doc {
    Doc::new("register", tags::ENTRY, "Make an account", ENTERED)
        .text(
            "Makes an account and its first session. Where registration is closed, the answer is \
             `ServiceUnavailable` with `feature: 0`.",
        )
        .parameters([parameters::session_name()])
        .body(AccountRegistration::schema)
        .errors([
            ApiError::InvalidUsername,
            ApiError::InvalidEmail,
            ApiError::PasswordsDoNotMatch,
            ApiError::UserExists,
        ])
}
