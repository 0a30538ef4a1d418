//! What a session's authentications come to, in the words that other services know: how it was proved (RFC 8176), how
//! well (NIST SP 800-63B), and when.

use crate::session::{Authentication, Method};
use crate::time::Timestamp;

/// How well a session is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AssuranceLevel {
    /// By one factor.
    One,
    /// By two.
    Two,
}

impl AssuranceLevel {
    /// The level's name, as an `acr` (RFC 9470).
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "aal1",
            Self::Two => "aal2",
        }
    }
}

/// How a session was proved, as an `amr`: `pwd` for a password, `otp` for a code of an authenticator app or a backup code,
/// `hwk` for a security key, and `mfa` where there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodReferences(&'static str);

impl MethodReferences {
    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        self.0.split(' ')
    }

    /// All of them, with spaces between.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// What a session's authentications come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assurance {
    /// When it had last been proved. Where it was by a password and a second factor, the one of the two that lies further
    /// back counts: what was shown later does not make the other any newer.
    pub proved_at: Timestamp,
    /// How.
    pub methods: MethodReferences,
    /// How well. A second factor is never shown without the password before it, so it makes two.
    pub level: AssuranceLevel,
}

impl Assurance {
    /// What these come to; `None` where there are none.
    pub fn of(authentications: &[Authentication]) -> Option<Self> {
        let latest = |counts: fn(Method) -> bool| {
            authentications.iter().filter(|shown| counts(shown.method)).map(|shown| shown.at).max()
        };
        let password = latest(|method| method == Method::Password);
        let code = latest(|method| matches!(method, Method::Totp | Method::LookupSecret));
        let key = latest(|method| method == Method::Webauthn);
        let methods = match (password.is_some(), code.is_some(), key.is_some()) {
            (false, false, false) => return None,
            (true, false, false) => "pwd",
            (false, true, false) => "otp",
            (false, false, true) => "hwk",
            (true, true, false) => "pwd otp mfa",
            (true, false, true) => "pwd hwk mfa",
            (false, true, true) => "otp hwk mfa",
            (true, true, true) => "pwd otp hwk mfa",
        };
        let factor = code.max(key);
        let proved_at = match (password, factor) {
            (Some(password), Some(factor)) => password.min(factor),
            (one, other) => one.or(other)?,
        };
        let level = if factor.is_some() { AssuranceLevel::Two } else { AssuranceLevel::One };
        Some(Self { proved_at, methods: MethodReferences(methods), level })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Method; 4] = [Method::Password, Method::Totp, Method::Webauthn, Method::LookupSecret];

    fn told(shown: &[(Method, i64)]) -> Option<(i64, &'static str, &'static str)> {
        let shown: Vec<_> = shown
            .iter()
            .map(|(method, second)| Authentication { method: *method, at: Timestamp::from_unix_seconds(*second) })
            .collect();
        let assurance = Assurance::of(&shown)?;
        Some((assurance.proved_at.unix_seconds(), assurance.methods.as_str(), assurance.level.name()))
    }

    #[test]
    fn what_was_shown_is_told_in_the_words_of_the_registry() {
        use Method::{LookupSecret, Password, Totp, Webauthn};
        for (shown, expected) in [
            (&[][..], None),
            (&[(Password, 5)], Some((5, "pwd", "aal1"))),
            (&[(Password, 5), (Totp, 7)], Some((5, "pwd otp mfa", "aal2"))),
            (&[(Password, 5), (LookupSecret, 7)], Some((5, "pwd otp mfa", "aal2"))),
            (&[(Password, 5), (Webauthn, 7)], Some((5, "pwd hwk mfa", "aal2"))),
            (&[(Totp, 7), (Password, 9)], Some((7, "pwd otp mfa", "aal2"))),
            (&[(Totp, 3), (Password, 9), (Webauthn, 12)], Some((9, "pwd otp hwk mfa", "aal2"))),
            (&[(Password, 1), (Totp, 3), (LookupSecret, 4)], Some((1, "pwd otp mfa", "aal2"))),
            (&[(LookupSecret, 4)], Some((4, "otp", "aal2"))),
            (&[(Webauthn, 4)], Some((4, "hwk", "aal2"))),
            (&[(Webauthn, 4), (Totp, 9)], Some((9, "otp hwk mfa", "aal2"))),
        ] {
            assert_eq!(told(shown), expected, "{shown:?}");
        }
    }

    #[test]
    fn a_factor_makes_the_second_level_and_nothing_else_does() {
        for method in ALL {
            let expected = if method.is_second_factor() { "aal2" } else { "aal1" };
            assert_eq!(told(&[(method, 1)]).unwrap().2, expected, "{method:?}");
        }
    }

    #[test]
    fn the_references_are_listed_one_by_one() {
        let shown = ALL.map(|method| Authentication { method, at: Timestamp::from_unix_seconds(1) });
        let methods = Assurance::of(&shown).unwrap().methods;
        assert_eq!(methods.iter().collect::<Vec<_>>(), ["pwd", "otp", "hwk", "mfa"]);
    }
}
