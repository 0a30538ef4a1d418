//! Second factors as rows.

use diesel::prelude::*;
use thunderhead_domain::factor::{
    Factor, FactorId, FactorKind, FactorMaterial, FactorName, ImportedCode, ImportedCodeId, NewFactor, TotpKey,
    WebauthnKey,
};
use thunderhead_domain::id::UserId;
use thunderhead_domain::import::ImportedFactor;
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use super::uuid;
use crate::error::DataError;
use crate::schema::second_factors;
use crate::unreadable::{Keyed, RowKey, noted};

/// What stands in the column `passkey`: where the passkey may be.
const DEVICE_BOUND: &str = "device_bound";
const SYNCED: &str = "synced";

/// A factor with all that is stored of it.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = second_factors, treat_none_as_default_value = false)]
pub(crate) struct FactorRow {
    id: Vec<u8>,
    user_id: i64,
    /// A passkey is a security key here, which servers without passkeys take it for.
    kind: String,
    pub(crate) name: String,
    sealed: Option<String>,
    last_step: Option<i64>,
    credential_id: Option<Vec<u8>>,
    credential: Option<String>,
    sign_count: Option<i64>,
    used_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    passkey: Option<String>,
}

impl FactorRow {
    /// A factor that was confirmed, and so used, just now.
    pub(crate) fn new(user: UserId, factor: &NewFactor, at: Timestamp) -> Self {
        let at = at.unix_millis();
        let mut row = Self {
            id: factor.id.0.as_bytes().to_vec(),
            user_id: user.number(),
            kind: match factor.material.kind() {
                FactorKind::Passkey => FactorKind::Webauthn,
                kind @ (FactorKind::Totp | FactorKind::Webauthn) => kind,
            }
            .name()
            .to_owned(),
            name: factor.name.as_str().to_owned(),
            sealed: None,
            last_step: None,
            credential_id: None,
            credential: None,
            sign_count: None,
            used_at: Some(at),
            created_at: at,
            updated_at: at,
            passkey: None,
        };
        let (credential_id, credential, sign_count) = match factor.material.clone() {
            FactorMaterial::Totp { sealed, last_step } => {
                (row.sealed, row.last_step) = (Some(sealed), Some(last_step));
                return row;
            }
            FactorMaterial::Webauthn { credential_id, credential, sign_count } => {
                (credential_id, credential, sign_count)
            }
            FactorMaterial::Passkey { credential_id, credential, sign_count, synced } => {
                row.passkey = Some(if synced { SYNCED } else { DEVICE_BOUND }.to_owned());
                (credential_id, credential, sign_count)
            }
        };
        (row.credential_id, row.credential) = (Some(credential_id), Some(credential));
        row.sign_count = Some(i64::from(sign_count));
        row
    }

    /// A factor that came from elsewhere.
    pub(crate) fn imported(user: UserId, imported: &ImportedFactor) -> Self {
        Self {
            used_at: imported.used_at.map(Timestamp::unix_millis),
            updated_at: imported.updated_at.unix_millis(),
            ..Self::new(user, &imported.factor, imported.created_at)
        }
    }

    pub(crate) fn kind(&self) -> Result<FactorKind, DataError> {
        match (FactorKind::from_name(&self.kind), &self.passkey) {
            (Some(kind @ (FactorKind::Totp | FactorKind::Webauthn)), None) => Ok(kind),
            (Some(FactorKind::Webauthn), Some(_)) => Ok(FactorKind::Passkey),
            _ => Err(DataError::Column("second_factors.kind")),
        }
    }

    /// What its kind is called, also where this version does not know it.
    pub(crate) fn kind_name(&self) -> &str {
        match self.kind() {
            Ok(kind) => kind.name(),
            Err(_unknown) => &self.kind,
        }
    }

    fn synced(&self) -> Result<bool, DataError> {
        match self.passkey.as_deref() {
            None | Some(DEVICE_BOUND) => Ok(false),
            Some(SYNCED) => Ok(true),
            Some(_) => Err(DataError::Column("second_factors.passkey")),
        }
    }

    fn factor_id(&self) -> Result<FactorId, DataError> {
        uuid("second_factors.id", &self.id).map(FactorId)
    }
}

impl Keyed for FactorRow {
    fn key(&self) -> RowKey {
        RowKey::uuid(&self.id)
    }
}

impl TryFrom<FactorRow> for Factor {
    type Error = DataError;

    fn try_from(row: FactorRow) -> Result<Self, DataError> {
        Ok(Self {
            id: row.factor_id()?,
            kind: row.kind()?,
            synced: row.synced()?,
            // Older ones may hold what is not printable.
            name: FactorName::made_of(row.name),
            used_at: row.used_at.map(Timestamp::from_unix_millis),
            created_at: Timestamp::from_unix_millis(row.created_at),
            updated_at: Timestamp::from_unix_millis(row.updated_at),
        })
    }
}

/// What the answers of a user's factors are checked against. A factor that cannot be read stops no other.
pub(crate) fn factor_keys(rows: &[FactorRow]) -> (Vec<TotpKey>, Vec<WebauthnKey>) {
    let mut keys = (Vec::new(), Vec::new());
    for row in rows {
        let read = row.kind().and_then(|kind| match kind {
            FactorKind::Totp => totp_key(row).map(|key| keys.0.push(key)),
            FactorKind::Webauthn | FactorKind::Passkey => webauthn_key(row).map(|key| keys.1.push(key)),
        });
        if let Err(error) = read {
            noted(error, &row.key());
        }
    }
    keys
}

/// What is stored of a backup code from another program; `None` where it is neither.
pub(crate) fn imported_code((code, sealed): (Vec<u8>, Option<String>)) -> Option<ImportedCode> {
    match sealed {
        None => code.try_into().ok().map(|hash| ImportedCode::Sha512(Box::new(hash))),
        Some(sealed) => Some(ImportedCode::Sealed { id: ImportedCodeId(Uuid::from_slice(&code).ok()?), sealed }),
    }
}

fn totp_key(row: &FactorRow) -> Result<TotpKey, DataError> {
    match (&row.sealed, row.last_step) {
        (Some(sealed), Some(last_step)) => Ok(TotpKey { factor: row.factor_id()?, sealed: sealed.clone(), last_step }),
        _ => Err(DataError::Column("second_factors.sealed")),
    }
}

pub(crate) fn webauthn_key(row: &FactorRow) -> Result<WebauthnKey, DataError> {
    let (Some(credential_id), Some(credential), Some(sign_count)) =
        (&row.credential_id, &row.credential, row.sign_count)
    else {
        return Err(DataError::Column("second_factors.credential"));
    };
    Ok(WebauthnKey {
        factor: row.factor_id()?,
        credential_id: credential_id.clone(),
        credential: credential.clone(),
        sign_count: u32::try_from(sign_count).map_err(|_| DataError::Column("second_factors.sign_count"))?,
        passkey: row.passkey.is_some(),
    })
}
