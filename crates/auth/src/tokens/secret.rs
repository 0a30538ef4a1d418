//! Secrets that are random through and through, and known by their beginning: those of services, of one-time links, and
//! passes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use thunderhead_domain::ports::Random;

/// What every secret begins with, so that those who look for leaked secrets know one by its form.
const PREFIX: &str = "thk_";
/// Random bytes in a secret.
const BYTES: usize = 32;

/// A new secret: 256 random bits behind the beginning.
pub(crate) fn generate(random: &dyn Random) -> SecretString {
    let mut bytes = [0; BYTES];
    random.fill(&mut bytes);
    of_bytes(&bytes)
}

/// The secret of these bytes, which nobody can foresee.
pub(crate) fn of_bytes(bytes: &[u8; BYTES]) -> SecretString {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into()
}

/// Whether a text begins as a secret does.
pub(crate) fn is_marked(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Whether a text has the form of a secret: nothing else need be looked for.
pub(crate) fn has_form(text: &str) -> bool {
    let random = text.strip_prefix(PREFIX).and_then(|random| URL_SAFE_NO_PAD.decode(random).ok());
    random.is_some_and(|random| random.len() == BYTES)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::testing::SameByte;

    #[test]
    fn secrets_are_known_by_their_beginning_and_hold_256_random_bits() {
        let secret = generate(&SameByte(7));
        let random = secret.expose_secret().strip_prefix("thk_").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap(), [7; BYTES]);
        assert!(has_form(secret.expose_secret()) && is_marked(secret.expose_secret()));
        assert!(is_marked("thk_") && !is_marked("thk") && !is_marked(random));
        for other in ["", "thk_", random, &format!("thk_{random}A"), &format!("thk_{}", &random[1..]), "thk_\u{e9}"] {
            assert!(!has_form(other), "{other:?}");
        }
    }
}
