//! What came from other programs, as rows.

use diesel::prelude::*;
use thunderhead_domain::id::{SessionId, UserId, VerificationKeyId};
use thunderhead_domain::import::{ImportSource, ImportedSession, VerificationKey};
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{End, Grant};
use thunderhead_domain::time::Timestamp;

use super::{SessionRow, uuid};
use crate::error::DataError;
use crate::schema::{imported, sessions, verification_keys};
use crate::text;
use crate::unreadable::{Keyed, RowKey};

/// What it is that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryKind {
    Account,
    Session,
    Factor,
}

impl MemoryKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Session => "session",
            Self::Factor => "factor",
        }
    }
}

/// That something came.
#[derive(Insertable)]
#[diesel(table_name = imported)]
pub(crate) struct MemoryRow {
    source: &'static str,
    kind: &'static str,
    source_id: String,
    user_uuid: Vec<u8>,
    imported_at: i64,
}

impl MemoryRow {
    pub(crate) fn new(
        source: ImportSource,
        kind: MemoryKind,
        source_id: &str,
        user_uuid: &[u8],
        at: Timestamp,
    ) -> Self {
        Self {
            source: source.name(),
            kind: kind.name(),
            source_id: source_id.to_owned(),
            user_uuid: user_uuid.to_vec(),
            imported_at: at.unix_millis(),
        }
    }
}

/// A session that came, to be inserted.
#[derive(Insertable)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
pub(crate) struct ImportedSessionRow {
    #[diesel(embed)]
    pub(crate) session: SessionRow,
    verification_key: Option<Vec<u8>>,
}

impl ImportedSessionRow {
    pub(crate) fn new(user: UserId, generation: i64, id: SessionId, session: &ImportedSession) -> Self {
        let end = session.end.as_ref().map(|End { at, by, why }| (at.unix_millis(), text::actor_text(*by), why.name()));
        let (ended_at, ended_by, end_reason) = match end {
            Some((at, by, why)) => (Some(at), Some(by), Some(why.to_owned())),
            None => (None, None, None),
        };
        let row = SessionRow {
            uuid: session.uuid.0.as_bytes().to_vec(),
            user_id: user.number(),
            id: id.number(),
            opaque_digest: session.opaque.map(|digest| digest.0.to_vec()),
            name: session.name.as_str().to_owned(),
            permission_flags: match session.grant {
                Grant::Full => None,
                Grant::Scoped(scopes) => Some(ScopeSet::flags(scopes)),
            },
            expires_at: session.expires_at.unix_millis(),
            used_at: session.used_at.map(Timestamp::unix_millis),
            created_at: session.created_at.unix_millis(),
            updated_at: session.updated_at.unix_millis(),
            dialect: session.origin.dialect.name().to_owned(),
            client_ip: session.origin.client_ip.map(text::address_text),
            user_agent: session.origin.user_agent.as_deref().map(str::to_owned),
            authentications: text::authentications_text(&session.authentications),
            second_factor_pending: session.second_factor_pending,
            ended_at,
            ended_by,
            end_reason,
            generation,
        };
        Self { session: row, verification_key: session.key.map(|key| key.0.as_bytes().to_vec()) }
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = verification_keys, treat_none_as_default_value = false)]
pub(crate) struct VerificationKeyRow {
    id: Vec<u8>,
    jwk: String,
    issuer: Option<String>,
    created_at: i64,
}

impl From<&VerificationKey> for VerificationKeyRow {
    fn from(key: &VerificationKey) -> Self {
        Self {
            id: key.id.0.as_bytes().to_vec(),
            jwk: key.jwk.clone(),
            issuer: key.issuer.clone(),
            created_at: key.created_at.unix_millis(),
        }
    }
}

impl Keyed for VerificationKeyRow {
    fn key(&self) -> RowKey {
        RowKey::uuid(&self.id)
    }
}

impl TryFrom<VerificationKeyRow> for VerificationKey {
    type Error = DataError;

    fn try_from(row: VerificationKeyRow) -> Result<Self, DataError> {
        Ok(Self {
            id: VerificationKeyId(uuid("verification_keys.id", &row.id)?),
            jwk: row.jwk,
            issuer: row.issuer,
            created_at: Timestamp::from_unix_millis(row.created_at),
        })
    }
}
