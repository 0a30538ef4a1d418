//! Backup codes: what a user keeps on paper for the day when the other factors are lost. Each works once.

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest, Sha256, Sha512};
use thunderhead_domain::ports::Random;
use thunderhead_domain::session::TokenDigest;
use totp_rs::Secret;

/// How many codes a user gets at a time.
pub const CODES: usize = 10;
/// Random bytes in a code. 120 bits cannot be guessed, so a plain hash is enough at rest.
const LENGTH: usize = 15;
/// Characters of a code: eight for five bytes.
const CHARACTERS: usize = LENGTH / 5 * 8;
/// Characters of a code that another program made, of 80 bits and of 41.
const IMPORTED_CHARACTERS: usize = 20;
const SHORT_CHARACTERS: usize = 8;
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

/// A code from another program, as somebody typed it.
pub(crate) enum TypedCode {
    /// The SHA-512 of 20 hexadecimal digits.
    Hashed(Box<[u8; 64]>),
    /// Eight of `a-z0-9`.
    Short(SecretString),
}

impl TypedCode {
    /// `None` where the text cannot be one. Spaces, hyphens and case do not matter.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut code = String::with_capacity(IMPORTED_CHARACTERS);
        for character in text.chars().filter(|character| !matches!(character, ' ' | '-')) {
            if code.len() == IMPORTED_CHARACTERS || !character.is_ascii_alphanumeric() {
                return None;
            }
            code.push(character.to_ascii_lowercase());
        }
        match code.len() {
            IMPORTED_CHARACTERS if code.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Some(Self::Hashed(Box::new(Sha512::digest(SecretString::from(code).expose_secret()).into())))
            }
            SHORT_CHARACTERS => Some(Self::Short(code.into())),
            _ => None,
        }
    }
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
    fn codes_from_elsewhere_are_20_hexadecimal_digits_or_8_letters_and_digits() {
        // What sha512sum says of 2582a0bfae36d8a06bda.
        let hash = "6ab5460372015b4cd24d48dd10e7d4035ccf49af0238ca9dda35e84a4ec0cb5a\
                    055ba02745a1dd2cf39b3d6728f600bc9f5e5b02b487c5ad02311206326f6931";
        for text in ["2582a0bfae36d8a06bda", "2582A0BFAE-36D8A0 6BDA "] {
            let Some(TypedCode::Hashed(typed)) = TypedCode::new(text) else { panic!("{text}") };
            assert_eq!(typed.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), hash, "{text}");
        }
        for text in ["k2vip5rf", " K2VI-P5RF"] {
            let Some(TypedCode::Short(typed)) = TypedCode::new(text) else { panic!("{text}") };
            assert_eq!(typed.expose_secret(), "k2vip5rf", "{text}");
        }
        for wrong in ["", "k2vip5r", "k2vip5rf0", "k2vip5r\u{e4}", "2582a0bfae36d8a06bdg", "2582a0bfae36d8a06bda0"] {
            assert!(TypedCode::new(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn another_code_has_another_digest_and_debug_shows_none() {
        let [first, second, ..] = codes();
        assert!(first.digest() != second.digest());
        assert_eq!(format!("{first:?}"), "BackupCode(SecretBox<str>([REDACTED]))");
    }
}
