//! Documentation of the session endpoints: one's own, and those of users for staff.

use crate::api::error::ApiError;
use crate::api::sessions::end_some::{OwnSessionIds, SessionIds};
use crate::api::sessions::issue::NewScopedSession;
use crate::api::sessions::list::ListedSession;
use crate::api::tags;
use crate::api::wire::{DeleteSession, DeleteSessions, ListBody, ScopedSessionCreate, SessionBody};
use crate::openapi::doc::{Doc, Success, Tag};
use crate::openapi::parameters;
use crate::request::body::RequestBody;

const OWN: Tag = tags::SESSIONS;
const STAFF: Tag = tags::STAFF_SESSIONS;

const SHOWN: Success = Success::ok::<SessionBody>("The session.");
const LISTED: Success = Success::ok::<ListBody<ListedSession>>("A page of the live sessions, newest first.");
const ENDED: Success = Success::ok::<DeleteSession>("The session is ended, everywhere and at once.");
const ENDED_SEVERAL: Success = Success::ok::<DeleteSessions>("The sessions are ended, everywhere and at once.");

pub(crate) fn issue() -> Doc {
    Doc::new(
        "createMyScopedSession",
        OWN,
        "Open a scoped session",
        Success::created::<ScopedSessionCreate>("The session, with its token; shown this once."),
    )
    .text(
        "A token for a script: it may do only what its scopes allow, and needs no proof of identity. Staff scopes \
         asked for by a user who is not staff are `InsufficientPermissions`; `ALL` may be asked for by anybody. Who has \
         as many of them as `policy.max_tokens` allows must end one first.",
    )
    .errors([ApiError::TooManySessions])
    .body(NewScopedSession::schema)
}

pub(crate) fn own_show() -> Doc {
    Doc::new("getMySession", OWN, "Show a session", SHOWN)
}

pub(crate) fn own_list() -> Doc {
    list("listMySessions", OWN, "List the sessions")
}

pub(crate) fn own_end_one() -> Doc {
    Doc::new("endMySession", OWN, "End a session", ENDED)
}

pub(crate) fn own_end_some() -> Doc {
    Doc::new("endMySessions", OWN, "End some sessions", ENDED_SEVERAL)
        .body(OwnSessionIds::schema)
        .errors([ApiError::TooManyIds])
}

pub(crate) fn own_end_all() -> Doc {
    Doc::new("endAllMySessions", OWN, "End all sessions", ENDED_SEVERAL)
        .text("Signs out everywhere, but not here.")
        .parameters([parameters::flag("include-self", "Whether to end the session in use too.")])
}

pub(crate) fn staff_show() -> Doc {
    Doc::new("getSessionOfUser", STAFF, "Show a session of a user", SHOWN)
}

pub(crate) fn staff_list() -> Doc {
    list("listSessionsOfUser", STAFF, "List the sessions of a user")
}

pub(crate) fn staff_end_one() -> Doc {
    Doc::new("endSessionOfUser", STAFF, "End a session of a user", ENDED)
}

pub(crate) fn staff_end_some() -> Doc {
    Doc::new("endSessionsOfUser", STAFF, "End some sessions of a user", ENDED_SEVERAL)
        .body(SessionIds::schema)
        .errors([ApiError::TooManyIds])
}

pub(crate) fn staff_end_all() -> Doc {
    Doc::new("endAllSessionsOfUser", STAFF, "End all sessions of a user", ENDED_SEVERAL)
        .text("The caller's own go too, where it is the caller's id.")
}

fn list(id: &'static str, tag: Tag, summary: &'static str) -> Doc {
    let full = parameters::flag("full", "Whether to show each session whole, with the device that it was made on.");
    Doc::new(id, tag, summary, LISTED).parameters(parameters::page()).parameters([full])
}
