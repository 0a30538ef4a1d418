//! The structures of the legacy dialect as JSON (`docs/API-LEGACY.md`). `List` and `SuccessfulAuth` are those of the
//! current one.

use serde::Serialize;
use thunderhead_domain::session::Session;

/// A session. Its id is `iat`.
#[derive(Serialize)]
pub(crate) struct LegacySession<'a> {
    iat: i64,
    exp: i64,
    sub: String,
    name: &'a str,
}

impl<'a> From<&'a Session> for LegacySession<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            iat: session.id.number(),
            exp: session.expires_at.unix_seconds(),
            sub: session.user.to_string(),
            name: session.name.as_str(),
        }
    }
}

/// How many sessions a call ended.
#[derive(Serialize)]
pub(crate) struct DeleteBulk {
    count: u64,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl DeleteBulk {
    pub(crate) const fn sessions(count: u64) -> Self {
        Self { count, kind: "session" }
    }
}

/// It worked.
#[derive(Serialize)]
pub(crate) struct Generic {
    code: &'static str,
}

impl Generic {
    pub(crate) const SUCCESS: Self = Self { code: "GENERIC_SUCCESS" };
}
