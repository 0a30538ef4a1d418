//! Time-based one-time passwords (RFC 6238): HMAC-SHA-1, six digits, steps of 30 seconds.

use std::ops::RangeInclusive;

use secrecy::{ExposeSecret as _, SecretSlice};
use thunderhead_domain::ports::Random;
use thunderhead_domain::time::Timestamp;
use totp_rs::{Builder, Secret, Totp};

/// Bytes in a new secret: 160 bits, as RFC 4226 §4 recommends.
const SECRET_LENGTH: usize = 20;
/// Bytes in a secret that another program made.
const SECRET_LENGTHS: RangeInclusive<usize> = 10..=64;
/// Seconds in a step.
const PERIOD: i64 = 30;
/// Digits in a code.
const DIGITS: usize = 6;
/// Steps that are accepted before and after the present one.
const SKEW: i64 = 1;

/// What the server and the user's authenticator app share.
#[derive(Debug)]
pub struct TotpSecret(SecretSlice<u8>);

impl TotpSecret {
    /// A new secret.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = vec![0; SECRET_LENGTH];
        random.fill(&mut bytes);
        Self(bytes.into())
    }

    /// The secret of these bytes; `None` where they are not 10 to 64.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        SECRET_LENGTHS.contains(&bytes.len()).then(|| Self(bytes.to_vec().into()))
    }

    /// The bytes, to be sealed.
    pub fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// The secret as people type it into an app: base32 without padding (RFC 4648 §6).
    pub fn base32(&self) -> String {
        Secret::from(self.bytes()).to_base32()
    }

    /// The secret as apps read it from a picture, in Google's key URI format. Colons divide issuer and account there:
    /// those within the two become spaces. `None` where the account is empty.
    pub fn otpauth_uri(&self, issuer: &str, account: &str) -> Option<String> {
        let without_colons = |text: &str| text.replace(':', " ");
        let totp = self.builder().with_issuer(Some(without_colons(issuer))).with_account_name(without_colons(account));
        totp.build_noncompliant().to_url().ok()
    }

    /// The step that a code belongs to, if it is the present one, the one before or the one after, and later than the
    /// last one that was used. Spaces in the code do not matter.
    ///
    /// Who calls must store the step as used, on the condition that the stored one is still earlier: a code works once
    /// (RFC 6238 §5.2).
    pub fn matching_step(&self, code: &str, now: Timestamp, last_used: Option<i64>) -> Option<i64> {
        let code: String = code.chars().filter(|character| *character != ' ').collect();
        if code.len() != DIGITS || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let totp = self.builder().build_noncompliant();
        let present = step_at(now);
        let fresh = |step: &i64| last_used.is_none_or(|last| *step > last);
        (present - SKEW..=present + SKEW).filter(fresh).find(|step| matches(&totp, &code, *step))
    }

    fn builder(&self) -> Builder {
        // SHA-1, six digits and thirty seconds are what the builder begins with, and what every app understands.
        Builder::new().with_skew(0).with_secret(self.bytes())
    }
}

/// The step of a moment.
pub(crate) const fn step_at(now: Timestamp) -> i64 {
    now.unix_seconds().div_euclid(PERIOD)
}

/// Whether a code is that of a step. The crate reads the code and compares in constant time.
fn matches(totp: &Totp, code: &str, step: i64) -> bool {
    u64::try_from(step * PERIOD).is_ok_and(|second| totp.check(code, second).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238, appendix B.
    fn secret() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_seconds(second)
    }

    /// The code of a step, as an app shows it.
    fn code(step: i64) -> String {
        Builder::new()
            .with_secret(secret().bytes())
            .build()
            .unwrap()
            .generate(u64::try_from(step * 30).unwrap())
            .to_string()
    }

    #[test]
    fn the_vectors_of_the_rfc_match() {
        // RFC 6238, appendix B; its eight digits end in the six of ours.
        for (second, eight_digits) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(secret().matching_step(&eight_digits[2..], at(second), None), Some(second / 30), "{second}");
        }
    }

    #[test]
    fn one_step_back_and_one_ahead_are_accepted_and_no_more() {
        let present = 1_000_000;
        let now = at(present * 30 + 29);
        for (offset, accepted) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let step = present + offset;
            assert_eq!(secret().matching_step(&code(step), now, None), accepted.then_some(step), "{offset}");
        }
    }

    #[test]
    fn a_code_is_not_accepted_again_nor_one_from_before_it() {
        let present = 1_000_000;
        let now = at(present * 30);
        let matching = |step, last| secret().matching_step(&code(step), now, Some(last));
        assert_eq!(matching(present, present), None);
        assert_eq!(matching(present - 1, present), None);
        assert_eq!(matching(present + 1, present), Some(present + 1));
        assert_eq!(matching(present, present - 1), Some(present));
        assert_eq!(matching(present, present + 1), None);
    }

    #[test]
    fn only_six_ascii_digits_are_a_code_and_spaces_do_not_matter() {
        let (step, now) = (1_000_000, at(30_000_000));
        let right = code(step);
        let spaced = format!(" {} {} ", &right[..3], &right[3..]);
        assert_eq!(secret().matching_step(&spaced, now, None), Some(step));
        let wide: String = right.chars().map(|digit| char::from_u32(digit as u32 - 0x30 + 0xFF10).unwrap()).collect();
        for text in ["", "      ", &right[1..], &format!("0{right}"), &format!("+{}", &right[1..]), &wide, "abcdef"] {
            assert_eq!(secret().matching_step(text, now, None), None, "{text:?}");
        }
    }

    #[test]
    fn times_before_1970_match_nothing_and_break_nothing() {
        for second in [i64::MIN / 2_000, -1, 0] {
            assert_eq!(secret().matching_step("000000", at(second), None), None, "{second}");
        }
        assert_eq!(secret().matching_step(&code(0), at(-1), None), Some(0));
    }

    #[test]
    fn a_secret_is_shown_as_apps_want_it_and_never_in_debug() {
        assert_eq!(secret().base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            secret().otpauth_uri("Thunder: head", "ada@example.org").unwrap(),
            "otpauth://totp/Thunder%20%20head:ada%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Thunder%20%20head"
        );
        assert_eq!(secret().otpauth_uri("Thunderhead", ""), None);
        assert_eq!(format!("{:?}", secret()), "TotpSecret(SecretBox<[u8]>([REDACTED]))");
    }

    #[test]
    fn a_secret_from_elsewhere_has_10_to_64_bytes() {
        for (length, fits) in [(0, false), (9, false), (10, true), (16, true), (20, true), (64, true), (65, false)] {
            assert_eq!(TotpSecret::from_bytes(&vec![7; length]).is_some(), fits, "{length}");
        }
        // What RFC 6238 gives for the secret GEZDGNBVGY3TQOJQ at that moment.
        let short = TotpSecret::from_bytes(b"1234567890").unwrap();
        assert_eq!(short.base32(), "GEZDGNBVGY3TQOJQ");
        assert_eq!(short.matching_step("263420", at(59), None), Some(1));
    }
}
