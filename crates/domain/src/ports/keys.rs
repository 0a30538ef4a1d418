//! Signing keys, and all that is encrypted.

use async_trait::async_trait;

use super::Stored;
use crate::audit::ActionContext;
use crate::factor::{FactorId, ImportedCodeId};
use crate::time::Timestamp;
use crate::webhook::WebhookId;

/// A signing key as it is stored: the private part is encrypted by who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// The key id in token headers.
    pub kid: String,
    /// The private JWK as a compact JWE (RFC 7516).
    pub sealed: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on tokens are signed with it: late enough for everybody to have learnt of it.
    pub signs_from: Timestamp,
}

/// Signing keys, shared by all replicas.
#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// All keys, newest first.
    async fn signing_keys(&self) -> Stored<Vec<SigningKeyRecord>>;

    /// Stores a first key unless there is one already; returns all keys, newest first. Of several replicas
    /// that start at once, one's key is stored.
    async fn signing_key_first(&self, key: SigningKeyRecord) -> Stored<Vec<SigningKeyRecord>>;

    /// Stores a further key; returns all keys, newest first.
    async fn signing_key_add(&self, key: SigningKeyRecord, action: ActionContext) -> Stored<Vec<SigningKeyRecord>>;
}

/// A row that holds something encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealedRow {
    /// A signing key, by its id.
    SigningKey(String),
    /// The secret of a TOTP factor.
    Factor(FactorId),
    /// A backup code that came from another program.
    ImportedCode(ImportedCodeId),
    /// A secret of an endpoint of webhooks, of which there may be two.
    Webhook(WebhookId),
}

impl SealedRow {
    /// The name of the row that what it holds is bound to when it is encrypted.
    pub fn context(&self) -> String {
        match self {
            Self::SigningKey(kid) => format!("signing-key:{kid}"),
            Self::Factor(id) => format!("factor:{id}"),
            Self::ImportedCode(id) => format!("imported-code:{id}"),
            Self::Webhook(id) => format!("webhook:{id}"),
        }
    }
}

/// Something encrypted, and the row it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedText {
    /// Where it is.
    pub row: SealedRow,
    /// What is there.
    pub sealed: String,
}

/// The same secret, encrypted anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resealed {
    /// What is there until now.
    pub old: SealedText,
    /// What is to be there instead.
    pub new: String,
}

/// Everything in the database that is encrypted under the server's encryption key, so that the key can be changed.
#[async_trait]
pub trait SealedTexts: Send + Sync {
    /// All of it.
    async fn sealed_texts(&self) -> Stored<Vec<SealedText>>;

    /// Replaces texts in those rows that still hold the old ones; returns how many did. Leaves one record.
    async fn sealed_replace(&self, texts: Vec<Resealed>, action: ActionContext) -> Stored<u64>;
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// What is encrypted is bound to these texts for ever: with another one it cannot be read any more.
    #[test]
    fn what_is_encrypted_is_bound_to_the_kind_and_the_name_of_its_row() {
        let (uuid, text) = (Uuid::from_u128(0xab), "00000000-0000-0000-0000-0000000000ab");
        for (row, context) in [
            (SealedRow::SigningKey("k1".to_owned()), "signing-key:k1".to_owned()),
            (SealedRow::Factor(FactorId(uuid)), format!("factor:{text}")),
            (SealedRow::ImportedCode(ImportedCodeId(uuid)), format!("imported-code:{text}")),
            (SealedRow::Webhook(WebhookId(uuid)), format!("webhook:{text}")),
        ] {
            assert_eq!(row.context(), context);
        }
    }
}
