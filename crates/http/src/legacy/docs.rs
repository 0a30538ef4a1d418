//! Documentation of the legacy dialect. What all of its rows have in common is added by `crate::legacy::document`.

use crate::api::entry::login::LogIn;
use crate::api::error::ApiError;
use crate::legacy::login::LegacyCredentials;
use crate::legacy::sessions::LegacySessions;
use crate::openapi::doc::{Doc, Success, Tag};
use crate::openapi::parameters;
use crate::request::body::RequestBody;

const SHOWN: Success = Success::ok("LegacySession", "The session.");
const LISTED: Success = Success::ok("LegacySessionList", "A page of the live sessions, newest first.");
const ENDED: Success = Success::ok("LegacyDeleteBulk", "The sessions are ended, everywhere and at once.");

pub(crate) fn log_in() -> Doc {
    let entered = Success::created("SuccessfulAuth", "A session is open, and this is its token.");
    Doc::new(Tag::Legacy, "Log in", entered)
        .text(
            "As in the current dialect, with a session that lasts for a month, or with `rememberMe` for years. \
             `username` and `password` are other spellings of `user` and `pass`.",
        )
        .parameters([parameters::session_name(), parameters::token_name()])
        .body(LogIn::<LegacyCredentials>::schema)
        .errors([ApiError::InvalidUser])
}

pub(crate) fn current() -> Doc {
    Doc::new(Tag::Legacy, "Show the session in use", SHOWN)
}

pub(crate) fn own_show() -> Doc {
    Doc::new(Tag::Legacy, "Show a session", SHOWN)
}

pub(crate) fn own_list() -> Doc {
    list("List the sessions")
}

pub(crate) fn own_end_one() -> Doc {
    let ended = Success::ok("LegacyGeneric", "The session is ended, everywhere and at once.");
    Doc::new(Tag::Legacy, "End a session", ended)
}

pub(crate) fn own_end_some() -> Doc {
    end_some("End some sessions")
}

pub(crate) fn own_end_all() -> Doc {
    let but_self = parameters::flag("allButSelf", "Whether to spare the session in use. The case of the name is free.");
    Doc::new(Tag::Legacy, "End all sessions", ENDED).text("Signs out everywhere, here too.").parameters([but_self])
}

pub(crate) fn staff_show() -> Doc {
    Doc::new(Tag::Legacy, "Show a session of a user", SHOWN)
}

pub(crate) fn staff_list() -> Doc {
    list("List the sessions of a user")
}

pub(crate) fn staff_end_one() -> Doc {
    let ended = Success::ok("LegacySession", "The session that is ended, everywhere and at once.");
    Doc::new(Tag::Legacy, "End a session of a user", ended)
}

pub(crate) fn staff_end_some() -> Doc {
    end_some("End some sessions of a user")
}

pub(crate) fn staff_end_all() -> Doc {
    Doc::new(Tag::Legacy, "End all sessions of a user", ENDED)
        .text("The caller's own go too, where it is the caller's id.")
}

fn list(summary: &'static str) -> Doc {
    Doc::new(Tag::Legacy, summary, LISTED).parameters(parameters::page())
}

fn end_some(summary: &'static str) -> Doc {
    Doc::new(Tag::Legacy, summary, ENDED).body(LegacySessions::schema).errors([ApiError::TooManyIds])
}
