//! A signer whose key signs anything.

use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};

use super::*;

impl TokenSigner {
    /// One with a key that nobody else has.
    pub(crate) fn of_a_new_key() -> Option<Self> {
        let jwk = EcKeyPair::generate(EcCurve::P256).ok()?.to_jwk_key_pair();
        let key = SigningKey { kid: "new".to_owned(), jwk, signs_from: Timestamp::from_unix_seconds(0) };
        let ring = KnownKeys { keys: vec![Arc::new(Key::new(&key).ok()?)], ..KnownKeys::EMPTY };
        let encryption_keys = EncryptionKeys::parse(&"00".repeat(32)).ok()?;
        Some(Self::new("thunderhead".to_owned(), encryption_keys, Arc::new(ring)))
    }

    /// What its key signs, whatever that is.
    pub(crate) fn signature_of(&self, message: &str) -> Option<Vec<u8>> {
        self.ring().keys.first()?.signer.sign(message.as_bytes()).ok()
    }
}
