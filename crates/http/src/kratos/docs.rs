//! What each row says of itself. The ids of operations are those of Ory's own document, as far as it has them.

use serde_json::{Value, json};
use thunderhead_auth::tokens::flow::Flow;
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use crate::kratos::admin::disable;
use crate::kratos::error::KratosError;
use crate::kratos::login::submit;
use crate::kratos::logout::KratosNativeLogout;
use crate::kratos::wire::{
    FlowBody, KratosLogin, KratosSession, Logout, Message, Processed, RevokedCount, SessionList,
};
use crate::openapi::doc::{Doc, Success, Tag};
use crate::openapi::parameters;
use crate::request::body::RequestBody;

pub(super) const OWN: Tag = Tag {
    name: "Kratos dialect",
    text: "The same users and sessions, for the published clients of Ory Kratos: their base URL is this server's with \
                 `/auth`. The credential is looked for in `X-Session-Token`, then in the session cookie, then in \
                 `Authorization`.",
};
pub(super) const STAFF: Tag = Tag {
    name: "Kratos dialect for staff",
    text: "For staff, whose credential is looked for in `Authorization` alone.",
};

const PAGE: &[&str] = &["Link", "X-Total-Count"];
const FLOW: Success = Success::ok::<FlowBody>("The flow; it is good for one hour.");

pub(crate) fn whoami() -> Doc {
    let shown = Success::ok::<KratosSession>("The session in use.").with(&["X-Kratos-Authenticated-Identity-Id"]);
    Doc::new("toSession", OWN, "Show the session in use", shown)
}

pub(crate) fn list() -> Doc {
    let listed = Success::ok::<SessionList>("The other live sessions, newest first.").with(PAGE);
    Doc::new("listMySessions", OWN, "List the other sessions", listed)
        .parameters(page())
        .errors([KratosError::Malformed("page_token", "one of a Link")])
}

pub(crate) fn end_others() -> Doc {
    Doc::new(
        "disableMyOtherSessions",
        OWN,
        "End all other sessions",
        Success::ok::<RevokedCount>("How many sessions this call ended."),
    )
    .text("The session in use stays. No proof of identity is asked for: a user under attack must get through.")
}

pub(crate) fn end_one() -> Doc {
    Doc::new(
        "disableMySession",
        OWN,
        "End another session",
        Success::no_content("The session is over, if it was the user's."),
    )
    .text("Whether it is unknown, another user's or over already makes no difference.")
    .errors([KratosError::CurrentSession])
}

pub(crate) fn login_native() -> Doc {
    begin("createNativeLoginFlow", "Begin a login of a native client")
}

pub(crate) fn login_browser() -> Doc {
    begin("createBrowserLoginFlow", "Begin a login of a browser")
}

fn begin(id: &'static str, summary: &'static str) -> Doc {
    let aal = json!({"type": "string", "enum": ["aal1", "aal2"]});
    Doc::new(id, OWN, summary, FLOW)
        .text(
            "With `aal=aal2` for the second factor, by a session of which it is pending or has not been shown. Who has a live \
             session and wants to log in all the same says `refresh=true`: the login opens another session.",
        )
        .parameters([
            parameters::query("aal", "What is to be shown: the password, or a second factor.", aal, "aal1"),
            parameters::flag("refresh", "Whether a live session does not matter."),
        ])
        .errors([KratosError::AlreadyLoggedIn, KratosError::Malformed("aal", "aal1 or aal2")])
}

pub(crate) fn login_submit() -> Doc {
    let entered = Success::ok::<KratosLogin>("A session is open, or stepped up.").with(&["Set-Cookie"]);
    let flow = json!({
        "name": "flow",
        "in": "query",
        "required": true,
        "description": "The flow's id.",
        "schema": {"type": "string", "format": "uuid"},
    });
    Doc::new("updateLoginFlow", OWN, "Log in", entered)
        .text(
            "Submits a flow: with name and password; or, where it was begun with `aal=aal2`, with a code for the \
             session that the request carries. After the password of a user with a second factor the session is \
             `aal1`, its `identity` is null, and it is good for nothing but the second step. While `ACCOUNT_LOGIN` or \
             `GLOBAL` is on, staff with the right password get in, and everybody else gets a 503.",
        )
        .parameters([flow, parameters::session_name()])
        .body(submit::schema)
        .errors([
            KratosError::Malformed("flow", "a UUID"),
            KratosError::AlreadyLoggedIn,
            KratosError::IdentityDisabled,
            KratosError::TooManySessions,
            KratosError::Resubmit(Box::new(example_flow())),
            KratosError::CrossSite,
            KratosError::UnknownFlow,
            KratosError::FlowExpired,
        ])
}

/// A flow that came back.
pub(crate) fn example_flow() -> FlowBody {
    let issued_at = Timestamp::from_unix_seconds(1_767_225_600);
    let flow = Flow {
        id: Uuid::from_u128(0x6956_4a80_0058_8f3a_9d2e_1a7c_5e9b_4d20),
        browser: false,
        aal2: false,
        refresh: false,
        issued_at,
        expires_at: issued_at.plus_seconds(thunderhead_auth::tokens::flow::FLOW_SECONDS),
    };
    FlowBody::new(&flow, "https://auth.example.org/auth", Some(Message::WRONG))
}

pub(crate) fn logout_native() -> Doc {
    Doc::new("performNativeLogout", OWN, "Log a native client out", Success::no_content("The token's session is over."))
        .text("Also where it was over already.")
        .body(KratosNativeLogout::schema)
        .errors([KratosError::Malformed("session_token", "a text"), KratosError::UnknownToken])
}

pub(crate) fn logout_browser() -> Doc {
    Doc::new(
        "createBrowserLogoutFlow",
        OWN,
        "Begin a logout of a browser",
        Success::ok::<Logout>("The link that logs out."),
    )
}

pub(crate) fn logout_finish() -> Doc {
    let done = Success::no_content("The session is over, and the cookie cleared.").with(&["Set-Cookie"]);
    let token = json!({
        "name": "token",
        "in": "query",
        "required": true,
        "description": "The session's `logout_token`.",
        "schema": {"type": "string"},
    });
    Doc::new("updateLogoutFlow", OWN, "Log a browser out", done).parameters([token]).errors([KratosError::UnknownToken])
}

pub(crate) fn admin_list() -> Doc {
    let listed = Success::ok::<SessionList>("Sessions of all users, newest first.").with(&["Link"]);
    Doc::new("listSessions", STAFF, "List everybody's sessions", listed)
        .text("Nobody counts them: there is neither an `X-Total-Count` nor a `last` page.")
        .parameters(page())
        .parameters([active(), expand()])
        .errors([
            KratosError::Malformed("page_token", "one of a Link"),
            KratosError::Malformed("active", "true or false"),
            KratosError::Malformed("expand", "identity or devices"),
        ])
}

pub(crate) fn admin_disable() -> Doc {
    Doc::new("disableSessions", STAFF, "End many sessions", Success::ok::<Processed>("What this call did."))
        .text(
            "Either `identities` or `sessions`. What is unknown is skipped. `[\"*\"]` as `identities` means everybody: \
             repeat the call as long as `more` is true; the session in use ends last.",
        )
        .body(disable::schema)
        .errors([KratosError::Malformed("action", "disable"), KratosError::TooMany(500)])
}

pub(crate) fn admin_show() -> Doc {
    Doc::new("getSession", STAFF, "Show a session of any state", Success::ok::<KratosSession>("The session."))
        .parameters([expand()])
        .errors([KratosError::Malformed("expand", "identity or devices"), KratosError::NotFound])
}

pub(crate) fn admin_extend() -> Doc {
    Doc::new(
        "extendSession",
        STAFF,
        "Let a session last longer",
        Success::ok::<KratosSession>("The session as it is now."),
    )
    .text(
        "It expires one lifespan from now, unless it would expire later anyway. One whose token is a JWT expires \
             when its token does.",
    )
    .errors([KratosError::NotFound])
}

pub(crate) fn admin_end() -> Doc {
    Doc::new("disableSession", STAFF, "End any session", Success::no_content("The session is over."))
        .text("Also where it was over already.")
        .errors([KratosError::NotFound])
}

pub(crate) fn identity_list() -> Doc {
    let listed = Success::ok::<SessionList>("The user's sessions, newest first.").with(PAGE);
    Doc::new("listIdentitySessions", STAFF, "List the sessions of a user by uuid", listed)
        .parameters(page())
        .parameters([active()])
        .errors([
            KratosError::Malformed("page_token", "one of a Link"),
            KratosError::Malformed("active", "true or false"),
            KratosError::NotFound,
        ])
}

pub(crate) fn identity_end() -> Doc {
    Doc::new(
        "deleteIdentitySessions",
        STAFF,
        "End all sessions of a user by uuid",
        Success::no_content("The user's sessions are over."),
    )
    .text("Where there were none it is a 404.")
    .errors([KratosError::NotFound])
}

fn active() -> Value {
    parameters::query(
        "active",
        "Only sessions that are live, or only those that are not.",
        json!({"type": "boolean"}),
        true,
    )
}

fn expand() -> Value {
    let schema = json!({"type": "array", "items": {"enum": ["identity", "devices"]}});
    parameters::query(
        "expand",
        "What to show each session with: repeated, or with a comma in between.",
        schema,
        json!(["identity"]),
    )
}

/// Which part of a list of the Kratos dialect.
fn page() -> [Value; 4] {
    use parameters::query;
    let size = || json!({"type": "integer", "minimum": 1, "maximum": 1_000, "default": 250});
    let number = json!({"type": "integer", "minimum": 1});
    let token = "1767225600123.1767225600.6f1d3b0e8f3a4b5c9d2e1a7c5e9b4d20";
    let begins = "Where the page begins: taken from the `next` of a `Link`.";
    [
        query("page_size", "Items of a page.", size(), 250),
        query("page_token", begins, json!({"type": "string"}), token),
        query("page", "The number of the page, from 1 on, in place of a token.", number, 1),
        query("per_page", "Items of a page where pages are numbered.", size(), 250),
    ]
}
