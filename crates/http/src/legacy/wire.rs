//! The structures of the legacy dialect as JSON (`docs/API-LEGACY.md`). `List` and `SuccessfulAuth` are those of the
//! current one.

use schemars::JsonSchema;
use serde::Serialize;
use thunderhead_domain::id::UserId;
use thunderhead_domain::session::Session;

use crate::api::wire::Listed;
use crate::wire::{Expiry, SessionNameText, SessionNumber, Wire, constants};

constants! {
    OfSessions = "session";
    Success = "GENERIC_SUCCESS";
}

/// A session. Its id is `iat`.
#[derive(JsonSchema, Serialize)]
pub(crate) struct LegacySession<'a> {
    #[schemars(with = "SessionNumber")]
    iat: i64,
    #[schemars(with = "Expiry")]
    exp: i64,
    sub: Wire<UserId>,
    #[schemars(with = "SessionNameText")]
    name: &'a str,
}

impl Listed for LegacySession<'_> {
    const LIST: &'static str = "LegacySessionList";
}

impl<'a> From<&'a Session> for LegacySession<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            iat: session.id.number(),
            exp: session.expires_at.unix_seconds(),
            sub: Wire(session.user),
            name: session.name.as_str(),
        }
    }
}

#[derive(JsonSchema, Serialize)]
#[schemars(rename = "LegacyDeleteBulk")]
pub(crate) struct DeleteBulk {
    /// How many this call really ended.
    #[schemars(example = 2)]
    count: u64,
    #[serde(rename = "type")]
    kind: OfSessions,
}

impl DeleteBulk {
    pub(crate) const fn sessions(count: u64) -> Self {
        Self { count, kind: OfSessions }
    }
}

/// It worked.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "LegacyGeneric")]
pub(crate) struct Generic {
    code: Success,
}

impl Generic {
    pub(crate) const SUCCESS: Self = Self { code: Success };
}
