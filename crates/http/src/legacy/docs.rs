//! What each row says of itself.

use serde_json::{Value, json};

use crate::api::entry::login::LogIn;
use crate::api::error::ApiError;
use crate::api::wire::{ListBody, SuccessfulAuth};
use crate::legacy::error::LegacyError;
use crate::legacy::login::LegacyLoginWithPassword;
use crate::legacy::sessions::LegacySessionIds;
use crate::legacy::wire::{DeleteBulk, Generic, LegacySession};
use crate::openapi::doc::{Doc, Success, Tag};
use crate::openapi::parameters;
use crate::request::body::RequestBody;

pub(super) const LEGACY: Tag = Tag {
    name: "Legacy",
    text: "The same sessions in the words of years ago, for programs that still speak them: see \
                 `docs/API-LEGACY.md`. Bodies may be forms as well. Each `Link` names the successor.",
};

const SHOWN: Success = Success::ok::<LegacySession>("The session.");
const LISTED: Success = Success::ok::<ListBody<LegacySession>>("A page of the live sessions, newest first.");
const ENDED: Success = Success::ok::<DeleteBulk>("The sessions are ended, everywhere and at once.");

/// The same header as the legacy dialect first called it.
fn token_name() -> Value {
    json!({
        "name": "X-Token-Name",
        "in": "header",
        "deprecated": true,
        "description": "The same as `X-Session-Name`. Where both are there and can be names, this one counts.",
        "schema": {"type": "string"},
    })
}

pub(crate) fn log_in() -> Doc {
    let entered = Success::created::<SuccessfulAuth>("A session is open, and this is its token.");
    Doc::new("login", LEGACY, "Log in", entered)
        .text(
            "As in the current dialect, with a session that lasts for a month, or with `rememberMe` for years. \
             `username` and `password` are other spellings of `user` and `pass`.",
        )
        .parameters([parameters::session_name(), token_name()])
        .body(LogIn::<LegacyLoginWithPassword>::schema)
        .errors([LegacyError::from(ApiError::InvalidUser), LegacyError::from(ApiError::TooManySessions)])
}

pub(crate) fn current() -> Doc {
    Doc::new("getSessionInUse", LEGACY, "Show the session in use", SHOWN)
}

pub(crate) fn own_show() -> Doc {
    Doc::new("getSession", LEGACY, "Show a session", SHOWN)
}

pub(crate) fn own_list() -> Doc {
    list("listSessions", "List the sessions")
}

pub(crate) fn own_end_one() -> Doc {
    let ended = Success::ok::<Generic>("The session is ended, everywhere and at once.");
    Doc::new("endSession", LEGACY, "End a session", ended).errors([LegacyError::SessionMissing])
}

pub(crate) fn own_end_some() -> Doc {
    end_some("endSessions", "End some sessions")
}

pub(crate) fn own_end_all() -> Doc {
    let but_self = parameters::flag("allButSelf", "Whether to spare the session in use. The case of the name is free.");
    Doc::new("endAllSessions", LEGACY, "End all sessions", ENDED)
        .text("Signs out everywhere, here too.")
        .parameters([but_self])
}

pub(crate) fn staff_show() -> Doc {
    Doc::new("getSessionOfUser", LEGACY, "Show a session of a user", SHOWN).errors([LegacyError::SessionMissing])
}

pub(crate) fn staff_list() -> Doc {
    list("listSessionsOfUser", "List the sessions of a user")
}

pub(crate) fn staff_end_one() -> Doc {
    let ended = Success::ok::<LegacySession>("The session that is ended, everywhere and at once.");
    Doc::new("endSessionOfUser", LEGACY, "End a session of a user", ended).or_unreadable()
}

pub(crate) fn staff_end_some() -> Doc {
    end_some("endSessionsOfUser", "End some sessions of a user")
}

pub(crate) fn staff_end_all() -> Doc {
    Doc::new("endAllSessionsOfUser", LEGACY, "End all sessions of a user", ENDED)
        .text("The caller's own go too, where it is the caller's id.")
}

fn list(id: &'static str, summary: &'static str) -> Doc {
    Doc::new(id, LEGACY, summary, LISTED).parameters(parameters::page())
}

fn end_some(id: &'static str, summary: &'static str) -> Doc {
    Doc::new(id, LEGACY, summary, ENDED)
        .body(LegacySessionIds::schema)
        .errors([LegacyError::from(ApiError::TooManyIds)])
}
