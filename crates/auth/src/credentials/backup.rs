//! Backup codes: what a user keeps on paper for the day when the other factors are lost. Each works once.

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest, Sha256};
use thunderhead_domain::ports::Random;
use thunderhead_domain::session::TokenDigest;
use totp_rs::Secret;

/// How many codes a user gets at a time.
pub const CODES: usize = 10;
/// Random bytes in a code. 120 bits cannot be guessed, so a plain hash is enough at rest.
const LENGTH: usize = 15;
/// Characters of a code: eight for five bytes.
const CHARACTERS: usize = LENGTH / 5 * 8;
/// Characters between two hyphens.
const GROUP: usize = 6;
/// Base32 (RFC 4648 §6): letters without regard to case, and no 0, 1, 8 or 9 to be taken for them.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A backup code in clear: what its user is shown once.
#[derive(Debug)]
pub struct BackupCode(SecretString);

impl BackupCode {
    /// New codes, all different.
    pub fn generate(random: &dyn Random) -> [Self; CODES] {
        std::array::from_fn(|_| {
            let mut bytes = [0; LENGTH];
            random.fill(&mut bytes);
            // The encoder serves codes as well as it serves secrets.
            Self(Secret::from(bytes).to_base32().into())
        })
    }

    /// The code in groups, for its user alone: `ABCDEF-GHIJKL-MNOPQR-STUVWX`.
    pub fn expose(&self) -> String {
        let groups: Vec<String> = self
            .0
            .expose_secret()
            .as_bytes()
            .chunks(GROUP)
            .map(|group| group.iter().copied().map(char::from).collect())
            .collect();
        groups.join("-")
    }

    /// What is stored of it.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.0.expose_secret()).into())
    }
}

/// What would be stored of the code that somebody typed; `None` where the text cannot be one. Spaces, hyphens and case
/// do not matter.
pub fn digest(text: &str) -> Option<TokenDigest> {
    let mut code = String::with_capacity(CHARACTERS);
    for character in text.chars().filter(|character| !matches!(character, ' ' | '-')) {
        let byte = u8::try_from(character.to_ascii_uppercase()).ok().filter(|byte| ALPHABET.contains(byte))?;
        if code.len() == CHARACTERS {
            return None;
        }
        code.push(byte.into());
    }
    (code.len() == CHARACTERS).then(|| BackupCode(code.into()).digest())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    struct Counting(AtomicU64);

    impl Random for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            for byte in buffer {
                let number = self.0.fetch_add(1, Ordering::Relaxed);
                *byte = Sha256::digest(number.to_le_bytes())[0];
            }
        }
    }

    fn codes() -> [BackupCode; CODES] {
        BackupCode::generate(&Counting(AtomicU64::new(0)))
    }

    #[test]
    fn ten_different_codes_come_in_groups_that_people_can_copy() {
        let texts = codes().map(|code| code.expose());
        for (index, text) in texts.iter().enumerate() {
            let groups: Vec<&str> = text.split('-').collect();
            assert!(groups.len() == 4 && groups.iter().all(|group| group.len() == 6), "{text}");
            assert!(!texts[..index].contains(text));
        }
    }

    #[test]
    fn spaces_hyphens_and_case_do_not_matter() {
        for code in codes() {
            let text = code.expose();
            let plain = text.replace('-', "");
            for spelling in
                [&text, &plain, &text.to_lowercase(), &format!(" {} ", plain[..5].to_owned() + " -" + &plain[5..])]
            {
                assert!(digest(spelling) == Some(code.digest()), "{spelling}");
            }
        }
    }

    #[test]
    fn what_cannot_be_a_code_has_no_digest() {
        let text = codes()[0].expose();
        for wrong in [
            "",
            " - ",
            "123456",
            &text[1..],
            &format!("{text}A"),
            &format!("1{}", &text[1..]),
            &format!("ſ{}", &text[1..]),
        ] {
            assert!(digest(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn another_code_has_another_digest_and_debug_shows_none() {
        let [first, second, ..] = codes();
        assert!(first.digest() != second.digest());
        assert_eq!(format!("{first:?}"), "BackupCode(SecretBox<str>([REDACTED]))");
    }
}
