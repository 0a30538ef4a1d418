//! The structures of the Kratos dialect as JSON (`docs/API-KRATOS.md`). The typed
//! clients refuse values outside of their enumerations.

mod flow;

use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use thunderhead_domain::id::{SessionUuid, UserUuid};
use thunderhead_domain::session::{Authentication, End, EndReason, Method, Session, SessionStatus};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;

pub(crate) use self::flow::{FlowBody, Message};
use crate::wire::{EmailText, SessionNameText, UsernameText, Wire, constants, value_schemas};

/// What a session is shown with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expand {
    pub(super) identity: bool,
    pub(super) devices: bool,
}

impl Expand {
    pub(super) const EVERYTHING: Self = Self { identity: true, devices: true };
}

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

/// `aal2` with a second factor.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(inline, example = Self::Aal1)]
pub(crate) enum Level {
    Aal1,
    Aal2,
}

value_schemas! {
    MethodName: {"enum": ["password", "totp", "webauthn", "lookup_secret"], "examples": ["password"]};
    IdentityState: {
        "enum": ["active", "inactive"],
        "description": "`inactive` while the user is banned.",
        "examples": ["active"],
    };
    Reason: {
        "enum": EndReason::TABLE.map(|(_, name)| name),
    };
}

constants! {
    DefaultSchema = "default";
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

#[derive(JsonSchema, Serialize)]
pub(crate) struct KratosSession {
    /// The session's uuid, which other dialects know it by too.
    id: Wire<SessionUuid>,
    /// Whether it is neither ended nor expired, nor its user banned.
    #[schemars(example = true)]
    active: bool,
    /// When it ends by itself.
    #[schemars(example = "2026-01-02T00:00:00.000Z")]
    expires_at: Wire<Timestamp>,
    /// When its user last showed something.
    authenticated_at: Wire<Timestamp>,
    authenticator_assurance_level: Level,
    authentication_methods: Vec<MethodBody>,
    /// When it was made.
    issued_at: Wire<Timestamp>,
    /// The user; null while the second factor is pending. For staff with `expand=identity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Option<IdentityBody>>,
    /// For staff with `expand=devices`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<DeviceBody>")]
    devices: Option<[DeviceBody; 1]>,
    #[schemars(with = "SessionNameText")]
    name: String,
    /// When it was last used; may lag by up to 60 s.
    #[schemars(example = "2026-01-01T00:05:00.000Z")]
    last_used_at: Option<Wire<Timestamp>>,
    /// Whether the request is made with it.
    #[schemars(example = true)]
    current: bool,
    #[serde(flatten)]
    end: Option<EndBody>,
}

#[derive(JsonSchema, Serialize)]
#[schemars(rename = "KratosSessionList")]
pub(crate) struct SessionList(pub(crate) Vec<KratosSession>);

#[derive(JsonSchema, Serialize)]
#[schemars(inline)]
struct MethodBody {
    #[schemars(with = "MethodName")]
    method: &'static str,
    aal: Level,
    /// When it was shown.
    completed_at: Wire<Timestamp>,
}

#[derive(JsonSchema, Serialize)]
#[schemars(rename = "KratosIdentity")]
struct IdentityBody {
    /// The user's uuid.
    id: Wire<UserUuid>,
    schema_id: DefaultSchema,
    #[schemars(example = "https://auth.example.org/openapi.json#/components/schemas/KratosTraits".to_owned())]
    schema_url: String,
    #[schemars(with = "IdentityState")]
    state: &'static str,
    traits: Traits,
    metadata_public: (),
    /// When the account was made.
    created_at: Wire<Timestamp>,
    /// When the account last changed.
    updated_at: Wire<Timestamp>,
}

/// `email` is left out in lists, and both where the caller's scopes do not cover them.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "KratosTraits", example = json!({"username": "ada"}))]
struct Traits {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "UsernameText")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EmailText")]
    email: Option<String>,
}

#[derive(JsonSchema, Serialize)]
#[schemars(inline)]
struct DeviceBody {
    /// The session's: it is made on one device.
    id: Wire<SessionUuid>,
    #[schemars(with = "Option<String>", example = "203.0.113.7")]
    ip_address: Option<IpAddr>,
    #[schemars(example = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")]
    user_agent: Option<String>,
    location: (),
}

// How the session ended: a doc comment would describe the session with it.
#[derive(JsonSchema, Serialize)]
struct EndBody {
    /// For staff: when somebody ended it.
    #[schemars(example = ())]
    revoked_at: Option<Wire<Timestamp>>,
    /// For staff: a user's id, or `command-line`.
    #[schemars(example = ())]
    revoked_by: Option<String>,
    /// For staff: why.
    #[schemars(with = "Option<Reason>", example = ())]
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
        let is_open = matches!(session.status(self.now), SessionStatus::Live | SessionStatus::SecondFactorPending);
        let live = is_open && user.banned_at.is_none();
        let shown = session.authentications.iter();
        let last = shown.clone().map(|shown| shown.at).max();
        KratosSession {
            id: Wire(session.uuid),
            active: live,
            expires_at: Wire(session.expires_at),
            authenticated_at: Wire(last.unwrap_or(session.created_at)),
            authenticator_assurance_level: Level::of(session),
            authentication_methods: shown.map(MethodBody::from).collect(),
            issued_at: Wire(session.created_at),
            identity: self.expand.identity.then(|| self.identity(session, user)),
            devices: self.expand.devices.then(|| [DeviceBody::from(session)]),
            name: session.name.as_str().to_owned(),
            last_used_at: session.used_at.map(Wire),
            current: self.current == Some(session.uuid),
            end: self.with_end.then(|| EndBody::from(session.end(self.now))),
        }
    }

    /// Who has a second factor pending has not shown who they are.
    fn identity(&self, session: &Session, user: &User) -> Option<IdentityBody> {
        let told = !session.second_factor_pending || self.with_end || self.in_list;
        told.then(|| IdentityBody {
            id: Wire(user.uuid),
            schema_id: DefaultSchema,
            schema_url: format!("{}/openapi.json#/components/schemas/KratosTraits", self.origin),
            state: if user.banned_at.is_none() { "active" } else { "inactive" },
            traits: Traits {
                username: self.with_traits.then(|| user.username.as_str().to_owned()),
                email: (self.with_traits && !self.in_list).then(|| user.email.as_str().to_owned()),
            },
            metadata_public: (),
            created_at: Wire(user.created_at),
            updated_at: Wire(user.updated_at),
        })
    }
}

impl From<&Authentication> for MethodBody {
    fn from(shown: &Authentication) -> Self {
        Self { method: method_name(shown.method), aal: Level::shown_by(shown.method), completed_at: Wire(shown.at) }
    }
}

/// The name that typed clients know: to them a passkey is a security key.
const fn method_name(method: Method) -> &'static str {
    match method {
        Method::Passkey => Method::Webauthn.name(),
        Method::Password | Method::Totp | Method::Webauthn | Method::LookupSecret => method.name(),
    }
}

/// A session is made on one device, which so can have its id.
impl From<&Session> for DeviceBody {
    fn from(session: &Session) -> Self {
        let origin = &session.origin;
        let user_agent = origin.user_agent.as_deref().map(str::to_owned);
        Self { id: Wire(session.uuid), ip_address: origin.client_ip, user_agent, location: () }
    }
}

impl From<Option<End>> for EndBody {
    fn from(end: Option<End>) -> Self {
        let Some(end) = end else {
            return Self { revoked_at: None, revoked_by: None, revoked_reason: None };
        };
        Self {
            revoked_at: Some(Wire(end.at)),
            revoked_by: Some(end.by.to_string()),
            revoked_reason: Some(end.why.name()),
        }
    }
}

/// A login. That of a browser has its token in the cookie.
#[derive(JsonSchema, Serialize)]
pub(crate) struct KratosLogin {
    /// For `X-Session-Token`; not in a flow of a browser, which gets a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", example = "MP2YWEMeM8MxjkGKpH4dqOQ4Q4DlSPaj".to_owned())]
    pub(crate) session_token: Option<String>,
    pub(crate) session: KratosSession,
    /// Not in a flow of a browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "()")]
    pub(crate) continue_with: Option<()>,
}

#[derive(JsonSchema, Serialize)]
#[schemars(rename = "KratosLogout")]
pub(crate) struct Logout {
    #[schemars(example = "https://auth.example.org/auth/self-service/logout?token=4be2…".to_owned())]
    pub(crate) logout_url: String,
    #[schemars(example = "4be2…".to_owned())]
    pub(crate) logout_token: String,
}

#[derive(JsonSchema, Serialize)]
#[schemars(rename = "KratosCount")]
pub(crate) struct RevokedCount {
    /// Sessions that this call ended.
    #[schemars(example = 2)]
    pub(crate) count: u64,
}

#[derive(JsonSchema, Serialize)]
#[schemars(rename = "KratosProcessed")]
pub(crate) struct Processed {
    /// Sessions that this call ended.
    #[schemars(example = 500)]
    pub(crate) processed: u64,
    /// Whether the call is to be repeated.
    #[schemars(example = true)]
    pub(crate) more: bool,
}
