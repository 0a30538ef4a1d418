//! Documentation of the endpoints of one's own account. All but the first can find, in a race with its deletion,
//! that the account is gone.

use crate::api::accounts::email::EmailChange;
use crate::api::accounts::password::PasswordChange;
use crate::api::accounts::username::UsernameChange;
use crate::api::error::ApiError;
use crate::api::tags;
use crate::api::wire::{DeleteUser, UserBody};
use crate::openapi::doc::{Doc, Success, Tag};
use crate::request::body::RequestBody;

const TAG: Tag = tags::ACCOUNT;
const CHANGED: Success = Success::ok::<UserBody>("The account as it is now.");

pub(crate) fn show() -> Doc {
    Doc::new("getMyAccount", TAG, "Show the account", Success::ok::<UserBody>("The account."))
}

pub(crate) fn delete() -> Doc {
    Doc::new(
        "deleteMyAccount",
        TAG,
        "Delete the account",
        Success::ok::<DeleteUser>("The account is gone, and its sessions with it."),
    )
    .errors([ApiError::InvalidUser])
}

pub(crate) fn username() -> Doc {
    Doc::new("changeMyUsername", TAG, "Change the user name", CHANGED).body(UsernameChange::schema).errors([
        ApiError::InvalidUsername,
        ApiError::UserExists,
        ApiError::InvalidUser,
    ])
}

pub(crate) fn email() -> Doc {
    Doc::new("changeMyEmail", TAG, "Change the e-mail address", CHANGED)
        .text("A changed address is no longer verified.")
        .body(EmailChange::schema)
        .errors([ApiError::InvalidEmail, ApiError::UserExists, ApiError::InvalidUser])
}

pub(crate) fn remove_password() -> Doc {
    Doc::new("removeMyPassword", TAG, "Do without a password", CHANGED)
        .text(
            "For who has two passkeys, or one and backup codes; others are answered with `UserRequiresSecondFactor`. Ends \
             every other session of the user. A new password, or a one-time link, is the way back.",
        )
        .or_unreadable()
        .errors([ApiError::UserRequiresSecondFactor, ApiError::InvalidUser])
}

pub(crate) fn password() -> Doc {
    Doc::new("changeMyPassword", TAG, "Change the password", CHANGED)
        .text("Ends every other session of the user.")
        .or_unreadable()
        .body(PasswordChange::schema)
        .errors([ApiError::PasswordsDoNotMatch, ApiError::InvalidUser])
}
