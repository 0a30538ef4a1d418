//! What an endpoint and the server share: the server signs with it, so it is stored encrypted and not as a hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use sha2::Sha256;
use thunderhead_domain::ports::{Random, SealedRow};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::webhook::{WebhookId, WebhookSecrets};

use crate::tokens::keys::{EncryptionKeys, SigningKeyError};

/// Bytes in a secret, of the 24 to 64 that the standard allows.
const LENGTH: usize = 32;
/// What a secret's text begins with.
const PREFIX: &str = "whsec_";

/// A secret. Only its text, which the operator is shown once, tells what it is.
#[derive(Debug)]
pub struct WebhookSecret(SecretBox<[u8; LENGTH]>);

impl WebhookSecret {
    pub(crate) fn generate(random: &dyn Random) -> Self {
        Self(SecretBox::init_with_mut(|bytes: &mut [u8; LENGTH]| random.fill(bytes)))
    }

    /// The secret as libraries take it.
    pub fn text(&self) -> SecretString {
        format!("{PREFIX}{}", STANDARD.encode(self.0.expose_secret())).into()
    }

    pub(crate) fn seal(&self, id: WebhookId, keys: &EncryptionKeys) -> Result<String, SigningKeyError> {
        let context = SealedRow::Webhook(id).context();
        keys.seal_bytes(self.0.expose_secret(), &context).map_err(|error| SigningKeyError::sealing(error, context))
    }

    pub(crate) fn open(sealed: &str, id: WebhookId, keys: &EncryptionKeys) -> Result<Self, SigningKeyError> {
        let context = SealedRow::Webhook(id).context();
        let bytes = match keys.unseal_bytes(sealed, &context) {
            Ok(bytes) => bytes,
            Err(error) => return Err(SigningKeyError::sealing(error, context)),
        };
        let bytes: Result<[u8; LENGTH], _> = bytes.expose_secret().try_into();
        bytes.map(|bytes| Self(SecretBox::new(Box::new(bytes)))).map_err(|_| SigningKeyError::Sealed { what: context })
    }

    /// `v1,` and the HMAC-SHA256 of what is sent.
    fn sign(&self, id: &str, at: Timestamp, body: &str) -> String {
        // A key that is shorter than a block is filled up with zeros (RFC 2104 §2), so this construction cannot fail.
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block[..LENGTH].copy_from_slice(self.0.expose_secret());
        let mut mac = Hmac::<Sha256>::new(&block);
        mac.update(format!("{id}.{}.{body}", at.unix_seconds()).as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The secrets that sign for an endpoint at a moment: one, or two while one is being replaced.
pub(crate) struct Signers(Vec<WebhookSecret>);

impl Signers {
    pub(crate) fn open(
        secrets: &WebhookSecrets,
        id: WebhookId,
        keys: &EncryptionKeys,
        now: Timestamp,
    ) -> Result<Self, SigningKeyError> {
        let previous = secrets.previous.iter().filter(|previous| previous.until > now);
        let sealed = [&secrets.sealed].into_iter().chain(previous.map(|previous| &previous.sealed));
        Ok(Self(sealed.map(|sealed| WebhookSecret::open(sealed, id, keys)).collect::<Result<_, _>>()?))
    }

    /// The signatures of what is sent, the newest secret's first.
    pub(crate) fn sign(&self, id: &str, at: Timestamp, body: &str) -> String {
        self.0.iter().map(|secret| secret.sign(id, at, body)).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use thunderhead_domain::webhook::PreviousSecret;
    use uuid::Uuid;

    use super::*;
    use crate::testing::SameByte;
    use crate::tokens::keys::EncryptionKey;

    const AT: Timestamp = Timestamp::from_unix_seconds(1_674_087_231);
    const ID: WebhookId = WebhookId(Uuid::from_u128(1));

    fn keys() -> EncryptionKeys {
        EncryptionKey::generate(&SameByte(1)).into()
    }

    #[test]
    fn the_secret_is_the_standards_and_shows_itself_nowhere_else() {
        let secret = WebhookSecret::generate(&SameByte(7));
        let text = secret.text();
        assert_eq!(text.expose_secret(), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        assert_eq!(format!("{secret:?}"), "WebhookSecret(SecretBox<[u8; 32]>([REDACTED]))");
        assert!(!secret.seal(ID, &keys()).unwrap().contains("BwcH"));
    }

    #[test]
    fn a_sealed_secret_opens_in_its_row_with_its_key_alone() {
        let sealed = WebhookSecret::generate(&SameByte(7)).seal(ID, &keys()).unwrap();
        assert_eq!(WebhookSecret::open(&sealed, ID, &keys()).unwrap().0.expose_secret(), &[7; LENGTH]);
        let other: EncryptionKeys = EncryptionKey::generate(&SameByte(2)).into();
        for (id, keys) in [(WebhookId(Uuid::from_u128(2)), &keys()), (ID, &other)] {
            assert!(matches!(WebhookSecret::open(&sealed, id, keys), Err(SigningKeyError::Sealed { .. })), "{id}");
        }
        let short = keys().seal_bytes(&[7; 31], &SealedRow::Webhook(ID).context()).unwrap();
        assert!(WebhookSecret::open(&short, ID, &keys()).is_err());
    }

    /// Computed with Python's `hmac`.
    #[test]
    fn the_signature_is_that_of_id_timestamp_and_body() {
        let secret = WebhookSecret::generate(&SameByte(7));
        let signature = secret.sign("1-0000000000000001", AT, r#"{"type":"session.ended"}"#);
        assert_eq!(signature, "v1,GpA1qsGgZlcktu8fLP80VeOHYSpL4A5EkU1WQOLexVU=");
    }

    #[test]
    fn both_secrets_sign_while_one_is_being_replaced() {
        let [old, new] = [1, 2].map(|byte| WebhookSecret::generate(&SameByte(byte)));
        let secrets = WebhookSecrets {
            sealed: new.seal(ID, &keys()).unwrap(),
            previous: Some(PreviousSecret { sealed: old.seal(ID, &keys()).unwrap(), until: AT }),
        };
        let signed = |now| Signers::open(&secrets, ID, &keys(), now).unwrap().sign("a", AT, "{}");
        let [old, new] = [old, new].map(|secret| secret.sign("a", AT, "{}"));
        assert_eq!(signed(AT.plus_millis(-1)), format!("{new} {old}"));
        assert_eq!(signed(AT), new);
    }
}
