//! The server's encryption keys, and what lies in the database sealed under them: bound to its row, so that the secret
//! of one row is worth nothing in another.

use std::iter;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use josekit::JoseError;
use josekit::jwe::{Dir, JweHeader};
use secrecy::{ExposeSecret as _, SecretBox, SecretSlice};
use sha2::Sha256;
use thunderhead_domain::ports::Random;

use crate::error::InternalError;

/// Bytes of an AES-GCM tag.
const TAG_LENGTH: usize = 16;
/// The parameter of the protected header that names the row a text belongs to.
const CONTEXT: &str = "context";

/// A key under which secrets are encrypted at rest.
#[derive(Clone, Debug)]
pub struct EncryptionKey(Arc<SecretBox<[u8; 32]>>);

impl PartialEq for EncryptionKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for EncryptionKey {}

/// A text that is no encryption key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an encryption key is 32 bytes, written as 64 hexadecimal digits or as base64; where there are several, one a line"
)]
pub struct InvalidKey;

impl EncryptionKey {
    /// A key from the random source.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Arc::new(SecretBox::init_with_mut(|bytes: &mut [u8; 32]| random.fill(bytes))))
    }

    fn new(bytes: [u8; 32]) -> Self {
        Self(Arc::new(SecretBox::new(Box::new(bytes))))
    }

    fn parse(text: &str) -> Result<Self, InvalidKey> {
        let bytes = if text.len() == 64 { from_hex(text) } else { STANDARD.decode(text).ok() };
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self::new).ok_or(InvalidKey)
    }

    /// The key as base64, for the file that it is kept in.
    pub fn to_text(&self) -> String {
        STANDARD.encode(self.bytes())
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }

    /// An authentication code for one purpose, named by a label.
    pub(crate) fn mac_for(&self, label: &[u8]) -> Hmac<Sha256> {
        // A 32-byte array is a key of the size the algorithm wants, so this construction cannot fail.
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block[..32].copy_from_slice(self.bytes());
        let mut mac = Hmac::<Sha256>::new(&block);
        mac.update(label);
        mac
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(*pair.first()?)? * 16 + digit(*pair.get(1)?)?)).collect()
}

/// The keys under which signing keys and factor secrets are encrypted at rest: the first seals, all open. They are not
/// in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionKeys {
    primary: EncryptionKey,
    former: Vec<EncryptionKey>,
}

impl From<EncryptionKey> for EncryptionKeys {
    fn from(primary: EncryptionKey) -> Self {
        Self { primary, former: vec![] }
    }
}

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// No key opens it: it was sealed under another one, or it is damaged.
    #[error("it was sealed under another encryption key, or it is damaged")]
    Locked,
    /// It opens, and belongs elsewhere.
    #[error("it was sealed for another row")]
    Misplaced,
    /// OpenSSL refused.
    #[error("sealing failed: {0}")]
    Crypto(#[from] JoseError),
}

impl From<SealError> for InternalError {
    fn from(error: SealError) -> Self {
        Self::cryptography(error)
    }
}

/// What was sealed, and for which row, if that was said.
struct Opened {
    plain: SecretSlice<u8>,
    context: Option<String>,
}

impl EncryptionKeys {
    /// Reads keys from text, divided by line ends or other white space. The first one is the one that seals.
    ///
    /// # Errors
    /// Where there is none, or one that does not spell 32 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let mut keys = text.split_whitespace().map(EncryptionKey::parse);
        let primary = keys.next().unwrap_or(Err(InvalidKey))?;
        Ok(Self { primary, former: keys.collect::<Result<_, _>>()? })
    }

    /// The key that seals.
    pub const fn primary(&self) -> &EncryptionKey {
        &self.primary
    }

    /// Encrypts something for one row, named by its context (`factor:` and its uuid, say), as a compact JWE with `dir`
    /// and `A256GCM` (RFC 7516, RFC 7518 §4.5, §5.3). The context stands in the protected header, in clear.
    ///
    /// # Errors
    /// Where OpenSSL refuses.
    pub fn seal_bytes(&self, plain: &[u8], context: &str) -> Result<String, SealError> {
        let mut header = JweHeader::new();
        header.set_content_encryption("A256GCM");
        header.set_claim(CONTEXT, Some(context.into()))?;
        Ok(josekit::jwe::serialize_compact(plain, &header, &Dir.encrypter_from_bytes(self.primary.bytes())?)?)
    }

    /// Decrypts what was sealed for the row of this context, under any of the keys.
    ///
    /// # Errors
    /// Where it was sealed under another key, or for another row.
    pub fn unseal_bytes(&self, text: &str, context: &str) -> Result<SecretSlice<u8>, SealError> {
        let opened = self.open(text)?;
        if opened.context.as_deref() == Some(context) { Ok(opened.plain) } else { Err(SealError::Misplaced) }
    }

    /// The same for rows that are older than contexts are: a text without any is taken as well.
    pub(super) fn unseal_old_bytes(&self, text: &str, context: &str) -> Result<SecretSlice<u8>, SealError> {
        let opened = self.open(text)?;
        if opened.context.is_none_or(|found| found == context) { Ok(opened.plain) } else { Err(SealError::Misplaced) }
    }

    /// Whether a text is sealed as it would be today: under the first key, for its row.
    pub(super) fn is_current(&self, text: &str, context: &str) -> bool {
        open_with(&self.primary, text).is_some_and(|opened| opened.context.as_deref() == Some(context))
    }

    fn open(&self, text: &str) -> Result<Opened, SealError> {
        let keys = iter::once(&self.primary).chain(&self.former);
        // The causes would only tell that the tag does not fit.
        keys.into_iter().find_map(|key| open_with(key, text)).ok_or(SealError::Locked)
    }
}

fn open_with(key: &EncryptionKey, text: &str) -> Option<Opened> {
    // OpenSSL takes a tag that was cut short for what it is, which would be all the easier to guess (RFC 7518 §5.3).
    let tag = text.rsplit_once('.').and_then(|(_, tag)| URL_SAFE_NO_PAD.decode(tag).ok())?;
    if tag.len() != TAG_LENGTH {
        return None;
    }
    let decrypter = Dir.decrypter_from_bytes(key.bytes()).ok()?;
    let (plain, header) = josekit::jwe::deserialize_compact(text, &decrypter).ok()?;
    let context = match header.claims_set().get(CONTEXT) {
        None => None,
        // Nothing of ours has a context that is no text.
        Some(context) => Some(context.as_str()?.to_owned()),
    };
    Some(Opened { plain: plain.into(), context })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> EncryptionKeys {
        let mut keys = bytes.iter().map(|byte| EncryptionKey::new([*byte; 32]));
        EncryptionKeys { primary: keys.next().unwrap(), former: keys.collect() }
    }

    /// As signing keys were sealed before there were contexts.
    fn sealed_without_context(keys: &EncryptionKeys, plain: &[u8]) -> String {
        let mut header = JweHeader::new();
        header.set_content_encryption("A256GCM");
        let encrypter = Dir.encrypter_from_bytes(keys.primary.bytes()).unwrap();
        josekit::jwe::serialize_compact(plain, &header, &encrypter).unwrap()
    }

    #[test]
    fn keys_are_read_from_hexadecimal_and_from_base64_and_from_nothing_else() {
        let key = EncryptionKey::new([0xAB; 32]);
        let base64 = key.to_text();
        assert_eq!(EncryptionKeys::parse(&"ab".repeat(32)), Ok(key.clone().into()));
        assert_eq!(EncryptionKeys::parse(&format!(" {base64}\n")), Ok(key.into()));
        for text in
            ["", " \n", "abc", &"zz".repeat(32), &"ab".repeat(31), &STANDARD.encode([1; 31]), &format!("{base64},")]
        {
            assert_eq!(EncryptionKeys::parse(text), Err(InvalidKey), "{text:?}");
        }
    }

    #[test]
    fn of_several_keys_the_first_is_the_primary_one_and_a_bad_one_spoils_all() {
        let [one, two] = ["01", "02"].map(|digits| digits.repeat(32));
        for text in [format!("{one}\n{two}\n"), format!("\r\n{one}\r\n\r\n{two}"), format!("{one} {two}")] {
            assert_eq!(EncryptionKeys::parse(&text), Ok(keys(&[1, 2])), "{text:?}");
        }
        assert_eq!(EncryptionKeys::parse(&format!("{one}\nx")), Err(InvalidKey));
        assert_ne!(keys(&[1]).primary(), keys(&[2]).primary());
        assert_eq!(
            format!("{:?}", keys(&[1])),
            "EncryptionKeys { primary: EncryptionKey(SecretBox<[u8; 32]>([REDACTED])), former: [] }"
        );
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let sealed = keys(&[1]).seal_bytes(b"a secret", "factor:1").unwrap();
        for opening in [&[1][..], &[2, 1], &[2, 3, 1]] {
            assert_eq!(keys(opening).unseal_bytes(&sealed, "factor:1").unwrap().expose_secret(), b"a secret");
        }
        assert!(matches!(keys(&[2, 3]).unseal_bytes(&sealed, "factor:1"), Err(SealError::Locked)));
        let moved_on = keys(&[2, 1]).seal_bytes(b"a secret", "factor:1").unwrap();
        assert!(matches!(keys(&[1]).unseal_bytes(&moved_on, "factor:1"), Err(SealError::Locked)));
        assert!(keys(&[2]).is_current(&moved_on, "factor:1") && !keys(&[2, 1]).is_current(&sealed, "factor:1"));
    }

    #[test]
    fn what_was_sealed_for_one_row_opens_in_no_other() {
        let keys = keys(&[1]);
        let sealed = keys.seal_bytes(b"a secret", "factor:1").unwrap();
        let other = keys.seal_bytes(b"another", "factor:2").unwrap();
        assert!(matches!(keys.unseal_bytes(&sealed, "factor:2"), Err(SealError::Misplaced)));
        assert!(matches!(keys.unseal_old_bytes(&sealed, "factor:2"), Err(SealError::Misplaced)));
        let (_, body) = sealed.split_once('.').unwrap();
        let (header, _) = other.split_once('.').unwrap();
        let relabelled = format!("{header}.{body}");
        assert!(matches!(keys.unseal_bytes(&relabelled, "factor:2"), Err(SealError::Locked)));
    }

    #[test]
    fn what_has_no_context_opens_where_that_is_allowed_alone() {
        let keys = keys(&[1]);
        let old = sealed_without_context(&keys, b"a secret");
        assert_eq!(keys.unseal_old_bytes(&old, "signing-key:1").unwrap().expose_secret(), b"a secret");
        assert!(matches!(keys.unseal_bytes(&old, "factor:1"), Err(SealError::Misplaced)));
        assert!(!keys.is_current(&old, "signing-key:1"));
    }

    #[test]
    fn a_tag_that_is_cut_short_does_not_open() {
        let keys = keys(&[1]);
        let sealed = keys.seal_bytes(b"a secret", "factor:1").unwrap();
        let (rest, tag) = sealed.rsplit_once('.').unwrap();
        let tag = URL_SAFE_NO_PAD.decode(tag).unwrap();
        for length in 0..TAG_LENGTH {
            let short = format!("{rest}.{}", URL_SAFE_NO_PAD.encode(&tag[..length]));
            assert!(matches!(keys.unseal_bytes(&short, "factor:1"), Err(SealError::Locked)), "{length}");
        }
    }

    #[test]
    fn what_is_damaged_does_not_open() {
        let keys = keys(&[1]);
        let sealed = keys.seal_bytes(b"a secret", "factor:1").unwrap();
        let end = sealed.len() - 4;
        for damaged in ["", "....", &sealed[..end], &format!("{}AAAA", &sealed[..end]), &format!("{sealed}.")] {
            assert!(matches!(keys.unseal_bytes(damaged, "factor:1"), Err(SealError::Locked)), "{damaged}");
        }
    }
}
