//! The structures of the Kratos dialect as JSON (`docs/API-KRATOS.md`). The typed
//! clients refuse values outside of their enumerations.

mod flow;

use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use serde::Serialize;
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::session::{Actor, Authentication, EndReason, Method, Session, State};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;

pub(crate) use self::flow::{FlowBody, Message};
use crate::kratos::query::Expand;

/// The content type of every answer.
pub(crate) const JSON_UTF8: &str = "application/json; charset=utf-8";
/// What every answer to GET says of being kept.
pub(crate) const PRIVATE: &str = "private, no-cache, no-store, must-revalidate";

/// An answer to GET.
pub(super) fn shown(body: &impl Serialize) -> HttpResponse {
    let mut response = done(body);
    response.headers_mut().insert(CACHE_CONTROL, actix_web::http::header::HeaderValue::from_static(PRIVATE));
    response
}

/// An answer to any other method.
pub(super) fn done(body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(StatusCode::OK).content_type(JSON_UTF8).json(body)
}

/// How much a session rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// A password.
    Aal1,
    /// A second factor too.
    Aal2,
}

impl Level {
    pub(crate) fn of(session: &Session) -> Self {
        Self::proved(session.is_proved_by_factor())
    }

    const fn shown_by(method: Method) -> Self {
        Self::proved(method.is_second_factor())
    }

    const fn proved(by_factor: bool) -> Self {
        if by_factor { Self::Aal2 } else { Self::Aal1 }
    }
}

#[derive(Serialize)]
pub(crate) struct KratosSession {
    id: String,
    active: bool,
    expires_at: String,
    authenticated_at: String,
    authenticator_assurance_level: Level,
    authentication_methods: Vec<MethodBody>,
    issued_at: String,
    /// Left out where it is not asked for, and null where it may not be told yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Option<IdentityBody>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<[DeviceBody; 1]>,
    name: String,
    last_used_at: Option<String>,
    current: bool,
    #[serde(flatten)]
    end: Option<EndBody>,
}

#[derive(Serialize)]
struct MethodBody {
    method: &'static str,
    aal: Level,
    completed_at: String,
}

#[derive(Serialize)]
struct IdentityBody {
    id: String,
    schema_id: &'static str,
    schema_url: String,
    state: &'static str,
    traits: Traits,
    metadata_public: (),
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct Traits {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

#[derive(Serialize)]
struct DeviceBody {
    id: String,
    ip_address: Option<IpAddr>,
    user_agent: Option<String>,
    location: (),
}

/// How the session ended, for staff.
#[derive(Serialize)]
struct EndBody {
    revoked_at: Option<String>,
    revoked_by: Option<String>,
    revoked_reason: Option<&'static str>,
}

/// Where a session is shown, which decides what is told.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) now: Timestamp,
    /// The session in use.
    pub(crate) current: Option<SessionUuid>,
    /// This server, for the address of the identity's schema.
    pub(crate) origin: String,
    pub(super) expand: Expand,
    /// Whether it is one of many: an e-mail address never leaves the server in a list (`docs/MODEL.md`, *User*).
    pub(crate) in_list: bool,
    /// Whether the caller's scopes cover what is told of the user besides ids.
    pub(crate) with_traits: bool,
    /// Whether staff are told how it ended.
    pub(crate) with_end: bool,
}

impl View {
    pub(crate) fn of(&self, session: &Session, user: &User) -> KratosSession {
        let live = session.expires_at > self.now && session.state == State::Open && user.banned_at.is_none();
        let shown = session.authentications.iter();
        let last = shown.clone().map(|shown| shown.at).max();
        KratosSession {
            id: session.uuid.to_string(),
            active: live,
            expires_at: session.expires_at.to_string(),
            authenticated_at: last.unwrap_or(session.created_at).to_string(),
            authenticator_assurance_level: Level::of(session),
            authentication_methods: shown.map(MethodBody::from).collect(),
            issued_at: session.created_at.to_string(),
            identity: self.expand.identity.then(|| self.identity(session, user)),
            devices: self.expand.devices.then(|| [DeviceBody::from(session)]),
            name: session.name.as_str().to_owned(),
            last_used_at: session.used_at.map(|at| at.to_string()),
            current: self.current == Some(session.uuid),
            end: self.with_end.then(|| EndBody::from(session.state)),
        }
    }

    /// Who has a second factor pending has not shown who they are.
    fn identity(&self, session: &Session, user: &User) -> Option<IdentityBody> {
        let told = !session.second_factor_pending || self.with_end || self.in_list;
        told.then(|| IdentityBody {
            id: user.uuid.to_string(),
            schema_id: "default",
            schema_url: format!("{}/openapi.json#/components/schemas/KratosTraits", self.origin),
            state: if user.banned_at.is_none() { "active" } else { "inactive" },
            traits: Traits {
                username: self.with_traits.then(|| user.username.as_str().to_owned()),
                email: (self.with_traits && !self.in_list).then(|| user.email.as_str().to_owned()),
            },
            metadata_public: (),
            created_at: user.created_at.to_string(),
            updated_at: user.updated_at.to_string(),
        })
    }
}

impl From<&Authentication> for MethodBody {
    fn from(shown: &Authentication) -> Self {
        let method = match shown.method {
            Method::Password => "password",
            Method::Totp => "totp",
            Method::Webauthn => "webauthn",
            Method::LookupSecret => "lookup_secret",
        };
        Self { method, aal: Level::shown_by(shown.method), completed_at: shown.at.to_string() }
    }
}

/// A session is made on one device, which so can have its id.
impl From<&Session> for DeviceBody {
    fn from(session: &Session) -> Self {
        let origin = &session.origin;
        let user_agent = origin.user_agent.as_deref().map(str::to_owned);
        Self { id: session.uuid.to_string(), ip_address: origin.client_ip, user_agent, location: () }
    }
}

impl From<State> for EndBody {
    fn from(state: State) -> Self {
        let State::Ended(end) = state else {
            return Self { revoked_at: None, revoked_by: None, revoked_reason: None };
        };
        let by = match end.by {
            Actor::User(user) => user.to_string(),
            Actor::CommandLine => "command-line".to_owned(),
            Actor::Stranger => "stranger".to_owned(),
        };
        let why = match end.why {
            EndReason::Revoked => "revoked",
            EndReason::RevokedByStaff => "revoked_by_staff",
            EndReason::Banned => "banned",
            EndReason::PasswordChanged => "password_changed",
            EndReason::StaffChanged => "staff_changed",
            EndReason::Operator => "operator",
            EndReason::Cap => "cap",
        };
        Self { revoked_at: Some(end.at.to_string()), revoked_by: Some(by), revoked_reason: Some(why) }
    }
}

/// A login of a client that keeps its token itself.
#[derive(Serialize)]
pub(crate) struct NativeLogin {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session_token: Option<String>,
    pub(crate) session: KratosSession,
    pub(crate) continue_with: (),
}

/// A login of a browser: the token is in the cookie.
#[derive(Serialize)]
pub(crate) struct BrowserLogin {
    pub(crate) session: KratosSession,
}

#[derive(Serialize)]
pub(crate) struct Logout {
    pub(crate) logout_url: String,
    pub(crate) logout_token: String,
}

#[derive(Serialize)]
pub(crate) struct RevokedCount {
    pub(crate) count: u64,
}

#[derive(Serialize)]
pub(crate) struct Processed {
    pub(crate) processed: u64,
    pub(crate) more: bool,
}
