//! The server's encryption key, and signing keys as they lie in the database: encrypted under it
//! (`spec/model.md`, *Tokens*).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use josekit::jwe::{Dir, JweHeader};
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use thunderhead_domain::ports::{Clock, Random, SigningKeyRecord, Storage, StorageFault};

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

/// A signing key as it is used: never printed.
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) jwk: Jwk,
}

/// Loads all signing keys, newest first; makes the first one where there is none.
///
/// # Errors
/// Where the database is away, or the encryption key is not the one that the keys were stored with.
pub(crate) async fn load_or_create(
    storage: &dyn Storage,
    encryption_key: &EncryptionKey,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<Vec<SigningKey>, KeyFault> {
    let mut records = storage.signing_keys().await?;
    if records.is_empty() {
        let record = SigningKeyRecord {
            kid: random_uuid(random).simple().to_string(),
            sealed: seal(&new_private_jwk()?, encryption_key)?,
            created_at: clock.now(),
        };
        records = storage.signing_key_first(record).await?;
    }
    records.into_iter().map(|record| unseal(record, encryption_key)).collect()
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

fn unseal(record: SigningKeyRecord, encryption_key: &EncryptionKey) -> Result<SigningKey, KeyFault> {
    let decrypter = Dir.decrypter_from_bytes(encryption_key.bytes())?;
    let opened = josekit::jwe::deserialize_compact(&record.sealed, &decrypter)
        .and_then(|(payload, _header)| Jwk::from_bytes(payload));
    match opened {
        Ok(jwk) => Ok(SigningKey { kid: record.kid, jwk }),
        // The cause would only tell that the tag does not fit.
        Err(_) => Err(KeyFault::Sealed { kid: record.kid }),
    }
}

#[cfg(test)]
mod tests {
    use thunderhead_domain::time::Timestamp;

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
    fn a_sealed_key_opens_with_its_encryption_key_alone_and_shows_nothing() {
        let jwk = new_private_jwk().unwrap();
        let private = jwk.parameter("d").unwrap().as_str().unwrap().to_owned();
        let sealed = seal(&jwk, &EncryptionKey([1; 32])).unwrap();
        assert!(!sealed.contains(&private));
        let record = SigningKeyRecord { kid: "k".to_owned(), sealed, created_at: Timestamp::from_unix_millis(0) };
        assert!(matches!(unseal(record.clone(), &EncryptionKey([2; 32])), Err(KeyFault::Sealed { .. })));
        let opened = unseal(record, &EncryptionKey([1; 32])).unwrap();
        assert_eq!(opened.jwk.parameter("d").unwrap().as_str().unwrap(), private);
    }
}
