//! `GET /staff/sessions`.

use std::net::IpAddr;

use actix_web::HttpResponse;
use schemars::JsonSchema;
use serde::Serialize;
use thunderhead_domain::authorization::{AuthenticatedSession, StaffPrincipal};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::SessionCursor;
use thunderhead_domain::search::KeysetPage;
use thunderhead_domain::session::{Actor, Dialect, End, EndReason, SessionStatus};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;

use crate::access::call::Call;
use crate::api::error::{ApiError, ApiResult};
use crate::api::wire::SessionBody;
use crate::session_query::SessionQuery;
use crate::wire::{UsernameText, Wire, value_schemas};

value_schemas! {
    DialectName: {"enum": Dialect::TABLE.map(|(_, name)| name), "examples": ["current"]};
    StateName: {"enum": SessionStatus::TABLE.map(|(_, name)| name), "examples": ["live"]};
    EndReasonName: {"enum": EndReason::TABLE.map(|(_, name)| name), "examples": ["revoked"]};
    ActorName: {
        "type": "string",
        "description": "A user's id, `command-line`, `stranger` or `system`.",
        "examples": ["1767225600000"],
    };
    PlaceText: {
        "type": "string",
        "description": "Where to go on: the `cursor` of the next page. It is absent where there are no more.",
        "examples": ["1767225600123.1767225600.6f1d3b0e8f3a4b5c9d2e1a7c5e9b4d20"],
    };
}

/// A session with all that it is searched by.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FoundSession<'a> {
    #[serde(flatten)]
    session: SessionBody<'a>,
    user: SessionOwner<'a>,
    #[schemars(with = "StateName")]
    state: &'static str,
    /// The API that it was made with, or the pages.
    #[schemars(with = "DialectName")]
    dialect: &'static str,
    /// The address that it was made from.
    #[schemars(with = "Option<String>", example = "203.0.113.7")]
    ip: Option<IpAddr>,
    /// The User-Agent that it was made with.
    #[schemars(example = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")]
    user_agent: Option<&'a str>,
    /// How it ended, unless it is live or has expired by itself.
    #[schemars(example = ())]
    end: Option<SessionEndBody>,
}

/// Whose session it is.
#[derive(JsonSchema, Serialize)]
pub(crate) struct SessionOwner<'a> {
    id: Wire<UserId>,
    #[schemars(with = "UsernameText")]
    username: &'a str,
}

/// How a session ended.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "SessionEnd")]
pub(crate) struct SessionEndBody {
    at: Wire<Timestamp>,
    /// By whom.
    #[schemars(with = "ActorName")]
    by: Wire<Actor>,
    #[schemars(with = "EndReasonName")]
    why: &'static str,
}

/// Some of the sessions that a search finds, or none though there are more behind `next`.
#[derive(Default, JsonSchema, Serialize)]
#[schemars(rename = "FoundSessions")]
pub(crate) struct FoundSessions<'a> {
    items: Vec<FoundSession<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PlaceText")]
    next: Option<Wire<SessionCursor>>,
}

pub(crate) async fn search(staff: StaffPrincipal, call: Call) -> ApiResult {
    let query = SessionQuery::read(&call, &staff).await?;
    if !query.wrong.is_empty() {
        return Err(ApiError::MissingFields(query.wrong));
    }
    if query.user_is_unknown {
        return Ok(HttpResponse::Ok().json(FoundSessions::default()));
    }
    let limit = call.page().limit;
    let KeysetPage { items, next } = call.auth().search.sessions(&staff, query.search, query.after, limit).await?;
    let now = call.auth().clock().now();
    let items = items.iter().map(|found| FoundSession::new(found, now)).collect();
    Ok(HttpResponse::Ok().json(FoundSessions { items, next: next.map(Wire) }))
}

impl<'a> FoundSession<'a> {
    fn new(AuthenticatedSession { session, user }: &'a AuthenticatedSession, now: Timestamp) -> Self {
        Self {
            session: session.into(),
            user: user.into(),
            state: session.status(now).name(),
            dialect: session.origin.dialect.name(),
            ip: session.origin.client_ip,
            user_agent: session.origin.user_agent.as_deref(),
            end: session.end(now).map(SessionEndBody::from),
        }
    }
}

impl<'a> From<&'a User> for SessionOwner<'a> {
    fn from(user: &'a User) -> Self {
        Self { id: Wire(user.id), username: user.username.as_str() }
    }
}

impl From<End> for SessionEndBody {
    fn from(End { at, by, why }: End) -> Self {
        Self { at: Wire(at), by: Wire(by), why: why.name() }
    }
}
