//! Sessions as the operator sees them.

use serde::Serialize;
use thunderhead_domain::session::{Authentication, End, Grant, Session};
use thunderhead_domain::time::Timestamp;

use super::super::form::columns;
use super::super::names::Names;

/// A session in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionJson {
    uuid: String,
    id: i64,
    user: String,
    username: Option<String>,
    name: String,
    status: &'static str,
    scopes: Option<Vec<&'static str>>,
    dialect: &'static str,
    client_ip: Option<String>,
    user_agent: Option<String>,
    authentications: Vec<AuthenticationJson>,
    created_at: String,
    used_at: Option<String>,
    updated_at: String,
    expires_at: String,
    end: Option<EndJson>,
}

#[derive(Serialize)]
struct AuthenticationJson {
    method: &'static str,
    at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EndJson {
    at: String,
    by: String,
    by_name: Option<String>,
    why: &'static str,
}

impl SessionJson {
    /// All that is kept of a session, and what it is worth now.
    pub(super) fn new(session: &Session, names: &Names, now: Timestamp) -> Self {
        Self {
            uuid: session.uuid.to_string(),
            id: session.id.number(),
            user: session.user.to_string(),
            username: names.name(session.user),
            name: session.name.as_str().to_owned(),
            status: session.status(now).name(),
            scopes: match session.grant {
                Grant::Full => None,
                Grant::Scoped(scopes) => Some(scopes.iter().map(|scope| scope.name()).collect()),
            },
            dialect: session.origin.dialect.name(),
            client_ip: session.origin.client_ip.map(|address| address.to_string()),
            user_agent: session.origin.user_agent.as_deref().map(str::to_owned),
            authentications: session.authentications.iter().map(AuthenticationJson::from).collect(),
            created_at: session.created_at.to_string(),
            used_at: session.used_at.map(|at| at.to_string()),
            updated_at: session.updated_at.to_string(),
            expires_at: session.expires_at.to_string(),
            end: session.end(now).map(|end| EndJson::new(end, names)),
        }
    }
}

impl From<&Authentication> for AuthenticationJson {
    fn from(shown: &Authentication) -> Self {
        Self { method: shown.method.name(), at: shown.at.to_string() }
    }
}

impl EndJson {
    fn new(end: End, names: &Names) -> Self {
        Self {
            at: end.at.to_string(),
            by: end.by.to_string(),
            by_name: end.by.user().and_then(|user| names.name(user)),
            why: end.why.name(),
        }
    }
}

/// All that is kept of a session, for a person.
pub(super) fn described(session: &SessionJson) -> String {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let proofs = session.authentications.iter().map(|shown| format!("{} at {}", shown.method, shown.at));
    let rows = [
        ("uuid", session.uuid.clone()),
        ("id", session.id.to_string()),
        ("user", format!("{} ({})", or_none(&session.username), session.user)),
        ("name", session.name.clone()),
        ("status", session.status.to_owned()),
        ("scopes", session.scopes.as_ref().map_or_else(|| "everything".to_owned(), |scopes| scopes.join(", "))),
        ("dialect", session.dialect.to_owned()),
        ("from", or_none(&session.client_ip)),
        ("client", or_none(&session.user_agent)),
        ("proved", proofs.collect::<Vec<_>>().join(", ")),
        ("created", session.created_at.clone()),
        ("used", or_none(&session.used_at)),
        ("updated", session.updated_at.clone()),
        ("expires", session.expires_at.clone()),
    ];
    let end = session.end.as_ref().map(|end| {
        let by = end.by_name.as_ref().map_or_else(|| end.by.clone(), |name| format!("{name} ({})", end.by));
        ("ended", format!("{} by {by}: {}", end.at, end.why))
    });
    columns(rows.into_iter().chain(end).map(|(name, value)| [name.to_owned(), value]).collect())
}

/// What the columns of [`row`] are.
pub(super) const HEAD: [&str; 8] = ["SESSION", "USER", "CREATED", "USED", "FROM", "POWER", "STATUS", "NAME"];

/// A session in a line.
pub(super) fn row(session: &Session, names: &Names, now: Timestamp) -> [String; 8] {
    [
        session.uuid.to_string(),
        names.name_or_id(session.user),
        session.created_at.to_string(),
        session.used_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        session.origin.client_ip.map_or_else(|| "-".to_owned(), |address| address.to_string()),
        match session.grant {
            Grant::Full => "full".to_owned(),
            Grant::Scoped(_) => "scoped".to_owned(),
        },
        session.status(now).name().to_owned(),
        session.name.as_str().to_owned(),
    ]
}
