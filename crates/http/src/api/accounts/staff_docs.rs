//! Documentation of the endpoints where staff see and change the accounts of users.

use serde_json::json;

use crate::api::accounts::ban::Ban;
use crate::api::accounts::delete::UserIds;
use crate::api::accounts::email::EmailChange;
use crate::api::accounts::list::UserPage;
use crate::api::accounts::password::PasswordChange;
use crate::api::accounts::username::UsernameChange;
use crate::api::error::ApiError;
use crate::api::tags;
use crate::api::wire::{DeleteUser, DeleteUsers, UserBody};
use crate::openapi::doc::{Doc, Success, Tag};
use crate::openapi::parameters;
use crate::request::body::RequestBody;

const TAG: Tag = tags::STAFF_ACCOUNTS;
const CHANGED: Success = Success::ok::<UserBody>("The account as it is now.");

pub(crate) fn list() -> Doc {
    let named = "An id, a uuid, an e-mail address, or the beginning of a name in upper or lower case.";
    let cursor = "With `q`: go on from here, `next` of the page before.";
    let text = || json!({"type": "string"});
    Doc::new("listUsers", TAG, "List the users", Success::ok::<UserPage>("A page of the users."))
        .text(
            "Newest first. With `q`, the user whom it names, or else those whose names begin with it, by name: then \
             `count` goes no further than 1,000, and `cursor` takes the place of `offset`.",
        )
        .parameters(parameters::page())
        .parameters([
            parameters::query("q", named, text(), "ada"),
            parameters::query("cursor", cursor, text(), "ada.lovelace"),
        ])
        .errors([ApiError::MissingFields(vec!["cursor"])])
}

pub(crate) fn show() -> Doc {
    Doc::new("getUser", TAG, "Show a user", Success::ok::<UserBody>("The account."))
}

pub(crate) fn delete() -> Doc {
    Doc::new(
        "deleteUser",
        TAG,
        "Delete a user",
        Success::ok::<DeleteUser>("The account is gone, and its sessions with it."),
    )
}

pub(crate) fn delete_some() -> Doc {
    Doc::new(
        "deleteUsers",
        TAG,
        "Delete some users",
        Success::ok::<DeleteUsers>("They are gone, and their sessions with them."),
    )
    .body(UserIds::schema)
    .errors([ApiError::TooManyIds])
}

pub(crate) fn ban() -> Doc {
    Doc::new("banUser", TAG, "Ban a user", CHANGED)
        .text("Ends all sessions of the user.")
        .body(Ban::schema)
        .or_unreadable()
}

pub(crate) fn unban() -> Doc {
    Doc::new("unbanUser", TAG, "Lift a user's ban", CHANGED)
        .text("Sessions that the ban ended stay ended.")
        .or_unreadable()
}

pub(crate) fn verify() -> Doc {
    Doc::new("verifyEmailOfUser", TAG, "Mark a user's address as verified", CHANGED)
}

pub(crate) fn unverify() -> Doc {
    Doc::new("unverifyEmailOfUser", TAG, "Mark a user's address as not verified", CHANGED)
}

pub(crate) fn username() -> Doc {
    Doc::new("changeUsernameOfUser", TAG, "Change a user's name", CHANGED)
        .body(UsernameChange::schema)
        .errors([ApiError::InvalidUsername, ApiError::UserExists])
}

pub(crate) fn email() -> Doc {
    Doc::new("changeEmailOfUser", TAG, "Change a user's e-mail address", CHANGED)
        .text("A changed address is no longer verified.")
        .body(EmailChange::schema)
        .errors([ApiError::InvalidEmail, ApiError::UserExists])
}

pub(crate) fn password() -> Doc {
    Doc::new("changePasswordOfUser", TAG, "Change a user's password", CHANGED)
        .text("Ends all sessions of the user but the one in use, where it is the caller's own account.")
        .or_unreadable()
        .body(PasswordChange::schema)
        .errors([ApiError::PasswordsDoNotMatch])
}

pub(crate) fn promote() -> Doc {
    Doc::new("promoteUser", TAG, "Make a user staff; all their sessions end", CHANGED)
        .or_unreadable()
        .errors([ApiError::UserRequiresSecondFactor])
}

pub(crate) fn demote() -> Doc {
    Doc::new("demoteUser", TAG, "Make a user no longer staff; their sessions with staff scopes end", CHANGED)
        .or_unreadable()
}
