//! The server's encryption key, and signing keys as they lie in the database: encrypted under it
//! (`spec/model.md`, *Tokens*).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use josekit::jwe::{Dir, JweHeader};
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use thunderhead_domain::ports::{Clock, Random, SigningKeyRecord, Storage, StorageFault};
use thunderhead_domain::time::Timestamp;

use crate::random_uuid;

/// The key under which signing keys and factor secrets are encrypted at rest. It is not in the database.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptionKey([u8; 32]);

/// A text that is no encryption key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an encryption key is 32 bytes, written as 64 hexadecimal digits or as base64")]
pub struct InvalidKey;

impl EncryptionKey {
    /// A key from the random source.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// Reads a key from text; white space around it does not matter.
    ///
    /// # Errors
    /// Where the text does not spell 32 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let text = text.trim();
        let bytes = if text.len() == 64 { from_hex(text) } else { STANDARD.decode(text).ok() };
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(InvalidKey)
    }

    /// The key as base64, for the file that it is kept in.
    pub fn to_text(&self) -> String {
        STANDARD.encode(self.0)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey(…)")
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Why signing keys could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageFault),
    /// A stored key cannot be decrypted: the encryption key is another one than it was stored with.
    #[error("signing key {kid} cannot be decrypted with this encryption key")]
    Sealed {
        /// The key's id.
        kid: String,
    },
    /// OpenSSL refused to make or use a key.
    #[error("making a signing key failed: {0}")]
    Crypto(#[from] josekit::JoseError),
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
    encryption_key: &EncryptionKey,
    now: Timestamp,
    random: &dyn Random,
) -> Result<SigningKeyRecord, KeyFault> {
    new_record(encryption_key, now, now.plus_millis(LEAD_MILLIS), random)
}

fn new_record(
    encryption_key: &EncryptionKey,
    created_at: Timestamp,
    signs_from: Timestamp,
    random: &dyn Random,
) -> Result<SigningKeyRecord, KeyFault> {
    Ok(SigningKeyRecord {
        kid: random_uuid(random).simple().to_string(),
        sealed: seal(&new_private_jwk()?, encryption_key)?,
        created_at,
        signs_from,
    })
}

/// All signing keys, newest first; the first one is made where there is none.
///
/// # Errors
/// Where the database is away.
pub(crate) async fn records_or_first(
    storage: &dyn Storage,
    encryption_key: &EncryptionKey,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<Vec<SigningKeyRecord>, KeyFault> {
    let records = storage.signing_keys().await?;
    if !records.is_empty() {
        return Ok(records);
    }
    let now = clock.now();
    Ok(storage.signing_key_first(new_record(encryption_key, now, now, random)?).await?)
}

fn new_private_jwk() -> Result<Jwk, josekit::JoseError> {
    Ok(EcKeyPair::generate(EcCurve::P256)?.to_jwk_key_pair())
}

/// Encrypts a private key as a compact JWE with `dir` and `A256GCM` (RFC 7516, RFC 7518 §4.5, §5.3).
fn seal(jwk: &Jwk, encryption_key: &EncryptionKey) -> Result<String, josekit::JoseError> {
    let mut header = JweHeader::new();
    header.set_content_encryption("A256GCM");
    let encrypter = Dir.encrypter_from_bytes(encryption_key.bytes())?;
    josekit::jwe::serialize_compact(jwk.to_string().as_bytes(), &header, &encrypter)
}

/// Decrypts a key.
///
/// # Errors
/// Where it was stored under another encryption key.
pub(crate) fn unseal(record: SigningKeyRecord, encryption_key: &EncryptionKey) -> Result<SigningKey, KeyFault> {
    let decrypter = Dir.decrypter_from_bytes(encryption_key.bytes())?;
    let opened = josekit::jwe::deserialize_compact(&record.sealed, &decrypter)
        .and_then(|(payload, _header)| Jwk::from_bytes(payload));
    match opened {
        Ok(jwk) => Ok(SigningKey { kid: record.kid, jwk, signs_from: record.signs_from }),
        // The cause would only tell that the tag does not fit.
        Err(_) => Err(KeyFault::Sealed { kid: record.kid }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_hexadecimal_and_from_base64_and_from_nothing_else() {
        let key = EncryptionKey([0xAB; 32]);
        assert_eq!(EncryptionKey::parse(&"ab".repeat(32)), Ok(key.clone()));
        assert_eq!(EncryptionKey::parse(&format!(" {}\n", key.to_text())), Ok(key));
        for text in ["", "abc", &"zz".repeat(32), &"ab".repeat(31), &STANDARD.encode([1; 31])] {
            assert_eq!(EncryptionKey::parse(text), Err(InvalidKey), "{text:?}");
        }
    }

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
    fn a_sealed_key_opens_with_its_encryption_key_alone_and_shows_nothing() {
        let jwk = new_private_jwk().unwrap();
        let private = jwk.parameter("d").unwrap().as_str().unwrap().to_owned();
        let sealed = seal(&jwk, &EncryptionKey([1; 32])).unwrap();
        assert!(!sealed.contains(&private));
        let at = Timestamp::from_unix_millis(0);
        let record = SigningKeyRecord { kid: "k".to_owned(), sealed, created_at: at, signs_from: at };
        assert!(matches!(unseal(record.clone(), &EncryptionKey([2; 32])), Err(KeyFault::Sealed { .. })));
        let opened = unseal(record, &EncryptionKey([1; 32])).unwrap();
        assert_eq!(opened.jwk.parameter("d").unwrap().as_str().unwrap(), private);
    }
}
