//! The server's encryption keys, and signing keys as they lie in the database: encrypted under them
//! (`docs/MODEL.md`, *Tokens*).

mod encryption;
mod reseal;
mod verify_only;

use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use secrecy::ExposeSecret as _;
use thunderhead_domain::ports::{Clock, Random, SealedRow, SigningKeyRecord, Storage, StorageError};
use thunderhead_domain::time::Timestamp;

pub use self::encryption::{EncryptionKey, EncryptionKeys, InvalidKey, SealError};
pub use self::reseal::check_opens;
pub(crate) use self::reseal::reseal;
pub use self::verify_only::{InvalidVerificationKey, verification_key};

use crate::environment::random_uuid;
use crate::error::InternalError;

/// Why signing keys could not be loaded or made.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Something that is stored cannot be decrypted: it was sealed under another encryption key.
    #[error("{what} cannot be decrypted with the encryption keys of this server")]
    Sealed {
        /// What it is: the context that it was sealed for.
        what: String,
    },
    /// OpenSSL refused to make or use a key.
    #[error("making a signing key failed: {0}")]
    Crypto(#[from] josekit::JoseError),
}

impl From<SigningKeyError> for InternalError {
    fn from(error: SigningKeyError) -> Self {
        match error {
            SigningKeyError::Storage(error) => Self::Storage(error),
            error @ (SigningKeyError::Sealed { .. } | SigningKeyError::Crypto(_)) => Self::cryptography(error),
        }
    }
}

impl SigningKeyError {
    /// Why something that was sealed for this context could not be sealed or opened.
    pub(crate) fn sealing(error: SealError, context: String) -> Self {
        match error {
            SealError::Locked | SealError::Misplaced => Self::Sealed { what: context },
            SealError::Crypto(error) => Self::Crypto(error),
        }
    }
}

/// How long after it was made a key begins to sign, in milliseconds. By then every replica, and every service
/// that fetches the published keys as often as it is told to, has learnt of it.
const LEAD_MILLIS: i64 = 60_000;

/// A signing key as it is used: never printed.
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) jwk: Jwk,
    pub(crate) signs_from: Timestamp,
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// It is published, and will sign later.
    Next,
    /// It signs.
    Signs,
    /// A newer key signs; tokens that this one signed are still good.
    Verifies,
}

/// What each of these keys, newest first, does at a moment. The oldest signs where no other does yet.
pub fn key_uses(records: &[SigningKeyRecord], now: Timestamp) -> Vec<(&SigningKeyRecord, KeyUse)> {
    let signer = signer_index(records.iter().map(|record| record.signs_from), now);
    let key_use = |index: usize| match index.cmp(&signer) {
        std::cmp::Ordering::Less => KeyUse::Next,
        std::cmp::Ordering::Equal => KeyUse::Signs,
        std::cmp::Ordering::Greater => KeyUse::Verifies,
    };
    records.iter().enumerate().map(|(index, record)| (record, key_use(index))).collect()
}

/// Which of some keys, newest first, signs at a moment.
pub(crate) fn signer_index(mut signs_from: impl ExactSizeIterator<Item = Timestamp>, now: Timestamp) -> usize {
    let last = signs_from.len().saturating_sub(1);
    signs_from.position(|from| from <= now).unwrap_or(last)
}

/// A new key that begins to sign once everybody knows it.
///
/// # Errors
/// Where OpenSSL refuses to make one.
pub fn next_key(
    encryption_keys: &EncryptionKeys,
    now: Timestamp,
    random: &dyn Random,
) -> Result<SigningKeyRecord, SigningKeyError> {
    new_record(encryption_keys, now, now.plus_millis(LEAD_MILLIS), random)
}

fn new_record(
    encryption_keys: &EncryptionKeys,
    created_at: Timestamp,
    signs_from: Timestamp,
    random: &dyn Random,
) -> Result<SigningKeyRecord, SigningKeyError> {
    let kid = random_uuid(random).simple().to_string();
    let sealed = seal(&new_private_jwk()?, &kid, encryption_keys)?;
    Ok(SigningKeyRecord { kid, sealed, created_at, signs_from })
}

/// All signing keys, newest first; the first one is made where there is none.
///
/// # Errors
/// Where the database is away.
pub(crate) async fn records_or_first(
    storage: &dyn Storage,
    encryption_keys: &EncryptionKeys,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<Vec<SigningKeyRecord>, SigningKeyError> {
    let records = storage.signing_keys().await?;
    if !records.is_empty() {
        return Ok(records);
    }
    let now = clock.now();
    Ok(storage.signing_key_first(new_record(encryption_keys, now, now, random)?).await?)
}

fn new_private_jwk() -> Result<Jwk, josekit::JoseError> {
    Ok(EcKeyPair::generate(EcCurve::P256)?.to_jwk_key_pair())
}

fn seal(jwk: &Jwk, kid: &str, encryption_keys: &EncryptionKeys) -> Result<String, SigningKeyError> {
    let context = SealedRow::SigningKey(kid.to_owned()).context();
    encryption_keys
        .seal_bytes(jwk.to_string().as_bytes(), &context)
        .map_err(|error| SigningKeyError::sealing(error, context))
}

/// Decrypts a key.
///
/// # Errors
/// Where it was stored under another encryption key, or for another key's row.
pub(crate) fn unseal(
    record: SigningKeyRecord,
    encryption_keys: &EncryptionKeys,
) -> Result<SigningKey, SigningKeyError> {
    let context = SealedRow::SigningKey(record.kid.clone()).context();
    // The first keys were sealed without a context.
    match encryption_keys.unseal_old_bytes(&record.sealed, &context).map(|plain| Jwk::from_bytes(plain.expose_secret()))
    {
        Ok(Ok(jwk)) => Ok(SigningKey { kid: record.kid, jwk, signs_from: record.signs_from }),
        // The cause would quote what was decrypted.
        Ok(Err(_)) => Err(SigningKeyError::Sealed { what: context }),
        Err(error) => Err(SigningKeyError::sealing(error, context)),
    }
}

#[cfg(test)]
mod tests {
    use thunderhead_testkit::{TestDatabase, block_on};

    use super::*;
    use crate::environment::Environment;
    use crate::testing::{NOW, Replica};

    /// A signing key in the form in which the first version of this program stored them, under the key of 32 times 1.
    const SEALED_WITHOUT_CONTEXT: &str = "\
        eyJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiZGlyIn0..uGSLtgL0p4NLyQfA.5dgG-seitPB1uU_1fD26mI9P1ldnh0zM\
        hi41jbSIny1pY-ojWZg1jDWleV-WVljFY6IYcCv3k5IUL0YHkNOYvN5JUuJRnHKqn8NQS8luT1Zu9Elzizsn5VWwtI\
        _2uknJgb_ZnrZZwAfwC8o-NFklml1axZm6xGF5esbj-hyKh1nf4UQdQUZFCzbUzoxUh79uy6Mo_gq43h7cXOgHA1wV\
        j06shjShAxUCKAgmXtMYDZw.t4mj__Z-3ZCc6fUpXoEDsA";

    #[test]
    fn the_newest_key_that_has_begun_signs_and_older_ones_verify() {
        let at = Timestamp::from_unix_millis;
        let record = |from: i64| SigningKeyRecord {
            kid: from.to_string(),
            sealed: String::new(),
            created_at: at(0),
            signs_from: at(from),
        };
        let records = [record(30), record(20), record(10)];
        let uses = |now: i64| key_uses(&records, at(now)).into_iter().map(|(_, key_use)| key_use).collect::<Vec<_>>();
        assert_eq!(uses(30), [KeyUse::Signs, KeyUse::Verifies, KeyUse::Verifies]);
        assert_eq!(uses(29), [KeyUse::Next, KeyUse::Signs, KeyUse::Verifies]);
        assert_eq!(uses(9), [KeyUse::Next, KeyUse::Next, KeyUse::Signs]);
    }

    #[test]
    fn a_new_key_begins_to_sign_in_a_minute_and_the_first_one_at_once() {
        block_on(async {
            let database = TestDatabase::sqlite();
            let replica = Replica::of(&database, 1);
            let Environment { storage, clock, random } = &replica.environment;
            let keys = EncryptionKeys::parse(&"01".repeat(32)).unwrap();
            let first = records_or_first(&**storage, &keys, &**clock, &**random).await.unwrap();
            assert_eq!(first.iter().map(|key| key.signs_from).collect::<Vec<_>>(), [NOW]);
            assert_eq!(records_or_first(&**storage, &keys, &**clock, &**random).await.unwrap(), first);
            let next = next_key(&keys, NOW, &**random).unwrap();
            assert_eq!((next.created_at, next.signs_from), (NOW, NOW.plus_seconds(60)));
            assert!(next.kid != first[0].kid && unseal(next, &keys).is_ok());
        });
    }

    #[test]
    fn a_database_that_is_away_is_told_apart_from_keys_that_do_not_fit() {
        let away = SigningKeyError::Storage(StorageError::Outage("away".into()));
        assert!(matches!(InternalError::from(away), InternalError::Storage(StorageError::Outage(_))));
        let sealed = SigningKeyError::Sealed { what: "signing-key:k".to_owned() };
        assert!(matches!(InternalError::from(sealed), InternalError::Cryptography(_)));
    }

    #[test]
    fn a_sealed_key_opens_with_its_encryption_key_in_its_row_alone_and_shows_nothing() {
        let [right, wrong] = ["01", "02"].map(|digits| EncryptionKeys::parse(&digits.repeat(32)).unwrap());
        let jwk = new_private_jwk().unwrap();
        let private = jwk.parameter("d").unwrap().as_str().unwrap().to_owned();
        let sealed = seal(&jwk, "k", &right).unwrap();
        assert!(!sealed.contains(&private));
        let at = Timestamp::from_unix_millis(0);
        let record = |kid: &str| SigningKeyRecord {
            kid: kid.to_owned(),
            sealed: sealed.clone(),
            created_at: at,
            signs_from: at,
        };
        assert!(
            matches!(unseal(record("k"), &wrong), Err(SigningKeyError::Sealed { what }) if what == "signing-key:k")
        );
        assert!(matches!(unseal(record("l"), &right), Err(SigningKeyError::Sealed { .. })));
        let opened = unseal(record("k"), &right).unwrap();
        assert_eq!(opened.jwk.parameter("d").unwrap().as_str().unwrap(), private);
    }

    #[test]
    fn a_key_that_was_sealed_before_there_were_contexts_still_opens() {
        let keys = EncryptionKeys::parse(&"01".repeat(32)).unwrap();
        let at = Timestamp::from_unix_millis(0);
        let sealed = SEALED_WITHOUT_CONTEXT.to_owned();
        let record = SigningKeyRecord { kid: "k".to_owned(), sealed, created_at: at, signs_from: at };
        assert_eq!(unseal(record, &keys).unwrap().jwk.curve(), Some("P-256"));
    }
}
