//! Documentation of the session endpoints: one's own, and those of users for staff.

use serde_json::json;
use thunderhead_domain::session::{Dialect, SessionStatus};

use crate::api::error::ApiError;
use crate::api::sessions::end_some::{OwnSessionIds, SessionIds};
use crate::api::sessions::issue::NewScopedSession;
use crate::api::sessions::list::ListedSession;
use crate::api::sessions::search::FoundSessions;
use crate::api::tags;
use crate::api::wire::{DeleteSession, DeleteSessions, ListBody, ScopedSessionCreate, SessionBody};
use crate::openapi::doc::{Doc, Success, Tag};
use crate::openapi::parameters;
use crate::request::body::RequestBody;

const OWN: Tag = tags::SESSIONS;
const STAFF: Tag = tags::STAFF_SESSIONS;

/// A place in a list.
const PLACE: &str = "1767225600123.1767225600.6f1d3b0e8f3a4b5c9d2e1a7c5e9b4d20";

const SHOWN: Success = Success::ok::<SessionBody>("The session.");
const LISTED: Success = Success::ok::<ListBody<ListedSession>>("A page of the live sessions, newest first.");
const FOUND: Success = Success::ok::<FoundSessions>("A page of the sessions.");
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

pub(crate) fn staff_search() -> Doc {
    let text = || json!({"type": "string"});
    let moment = || json!({"type": "string", "format": "date-time"});
    let named = |names: &[&str]| json!({"enum": names});
    let dialects = named(&Dialect::TABLE.map(|(_, name)| name));
    let states = named(&SessionStatus::TABLE.map(|(_, name)| name));
    let limit = json!({"type": "integer", "minimum": 0, "maximum": 50, "default": 50});
    let from = "Those that were made from this address: no network.";
    Doc::new("searchSessions", STAFF, "Search everybody's sessions", FOUND)
        .text(
            "Of any state, newest first: those that fit all that is given, or all. A parameter that is blank is absent, \
             and a user whom nobody knows has no sessions. Where there may be more, the answer has `next`; a page may be \
             short of `limit`, or empty, and have it all the same, because no more than 5,000 sessions are looked at for \
             one.",
        )
        .parameters([
            parameters::query("user", "Those of the user of this id, uuid, e-mail address or name.", text(), "ada"),
            parameters::query("ip", from, text(), "203.0.113.7"),
            parameters::query("before", "Those that were made before this moment.", moment(), "2026-02-01T00:00:00Z"),
            parameters::query("after", "Those that were made at this moment or later.", moment(), "2026-01-01T00:00:00Z"),
            parameters::query("dialect", "Those that were made with this API, or on pages.", dialects, "kratos"),
            parameters::query("state", "Those that are in this state now.", states, "live"),
            parameters::query("limit", "The most items. What is none of these numbers counts as 50.", limit, 20),
            parameters::query("cursor", "Go on from here: `next` of the page before.", text(), PLACE),
        ])
        .errors([ApiError::MissingFields(vec!["ip", "state"])])
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
