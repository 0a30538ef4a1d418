//! What a session's authentications come to, in the words that other services know: how it was proved (RFC 8176), how
//! well (NIST SP 800-63B), and when.

use crate::session::{Authentication, Method, proved_at};
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
/// `hwk` for a security key or a passkey, and `mfa` where there are two, or where a passkey is both.
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
    /// back counts: what was shown later does not make the other any newer. A passkey is both.
    pub proved_at: Timestamp,
    /// How.
    pub methods: MethodReferences,
    /// How well. A second factor is never shown without the password before it, so it makes two; and so does a passkey.
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
        let key = latest(|method| matches!(method, Method::Webauthn | Method::Passkey));
        let passkey = latest(Method::is_complete);
        let methods = match (password.is_some(), code.is_some(), key.is_some()) {
            (false, false, false) => return None,
            (true, false, false) => "pwd",
            (false, true, false) => "otp",
            (false, false, true) if passkey.is_some() => "hwk mfa",
            (false, false, true) => "hwk",
            (true, true, false) => "pwd otp mfa",
            (true, false, true) => "pwd hwk mfa",
            (false, true, true) => "otp hwk mfa",
            (true, true, true) => "pwd otp hwk mfa",
        };
        let factor = code.max(key);
        let proved_at = match (password, factor) {
            (Some(password), Some(factor)) => Some(password.min(factor)),
            // A passkey alone is not made newer by a code that is shown after it.
            (None, Some(_)) if passkey.is_some() => None,
            (one, other) => one.or(other),
        };
        let proved_at = proved_at.max(passkey)?;
        let level = if factor.is_some() { AssuranceLevel::Two } else { AssuranceLevel::One };
        Some(Self { proved_at, methods: MethodReferences(methods), level })
    }
}

/// How a session must be proved for something, besides being live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProofRequirement {
    /// All that its account asks for must have been shown within so many seconds.
    pub max_age: Option<u32>,
    /// A second factor must have been shown in it.
    pub factor: bool,
}

/// Why a session is not proved as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofDenial {
    /// A second factor is asked for, and its user has none.
    NoFactor,
    /// Its user can do something about it: show again what was shown too long ago, or a factor that was not.
    Insufficient,
}

impl ProofRequirement {
    /// Whether a session is proved as it must be that rests on these, given whether its user has a second factor now.
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(
        self,
        authentications: &[Authentication],
        has_second_factor: bool,
        now: Timestamp,
    ) -> Result<(), ProofDenial> {
        if self.factor && !has_second_factor {
            return Err(ProofDenial::NoFactor);
        }
        let is_recent = self.max_age.is_none_or(|seconds| {
            let proved_at = proved_at(authentications, has_second_factor);
            proved_at.is_some_and(|at| at.plus_seconds(seconds.into()) >= now)
        });
        let shows_a_factor = || authentications.iter().any(|shown| shown.method.is_second_factor());
        if is_recent && (!self.factor || shows_a_factor()) { Ok(()) } else { Err(ProofDenial::Insufficient) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Method; 5] = [Method::Password, Method::Totp, Method::Webauthn, Method::LookupSecret, Method::Passkey];

    fn authentications(shown: &[(Method, i64)]) -> Vec<Authentication> {
        let at = Timestamp::from_unix_seconds;
        shown.iter().map(|(method, second)| Authentication { method: *method, at: at(*second) }).collect()
    }

    fn told(shown: &[(Method, i64)]) -> Option<(i64, &'static str, &'static str)> {
        let assurance = Assurance::of(&authentications(shown))?;
        Some((assurance.proved_at.unix_seconds(), assurance.methods.as_str(), assurance.level.name()))
    }

    #[test]
    fn what_was_shown_is_told_in_the_words_of_the_registry() {
        use Method::{LookupSecret, Passkey, Password, Totp, Webauthn};
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
            (&[(Passkey, 4)], Some((4, "hwk mfa", "aal2"))),
            (&[(Passkey, 4), (Totp, 9)], Some((4, "otp hwk mfa", "aal2"))),
            (&[(Password, 1), (Passkey, 4)], Some((4, "pwd hwk mfa", "aal2"))),
            (&[(Passkey, 4), (Password, 9), (Totp, 8)], Some((8, "pwd otp hwk mfa", "aal2"))),
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

    #[test]
    fn a_proof_is_as_recent_and_as_good_as_it_must_be() {
        use Method::{Passkey, Password, Totp};
        use ProofDenial::{Insufficient, NoFactor};
        let recent = ProofRequirement { max_age: Some(60), factor: false };
        let factor = ProofRequirement { max_age: None, factor: true };
        let both = ProofRequirement { max_age: Some(60), factor: true };
        let now = Timestamp::from_unix_seconds(1_000);
        for (required, has_factor, shown, expected) in [
            (ProofRequirement::default(), false, &[][..], Ok(())),
            (recent, false, &[(Password, 940)], Ok(())),
            (recent, false, &[(Password, 939)], Err(Insufficient)),
            // The clock of another replica is ahead.
            (recent, false, &[(Password, 1_005)], Ok(())),
            (recent, false, &[], Err(Insufficient)),
            // The factor was enrolled since, or removed.
            (recent, true, &[(Password, 999)], Err(Insufficient)),
            (recent, false, &[(Totp, 1), (Password, 999)], Ok(())),
            (recent, true, &[(Password, 940), (Totp, 941)], Ok(())),
            (recent, true, &[(Totp, 939), (Password, 999)], Err(Insufficient)),
            (recent, true, &[(Password, 939), (Totp, 999)], Err(Insufficient)),
            (factor, false, &[(Password, 999)], Err(NoFactor)),
            (factor, false, &[(Password, 999), (Totp, 999)], Err(NoFactor)),
            (factor, true, &[(Password, 999)], Err(Insufficient)),
            (factor, true, &[(Password, 1), (Totp, 2)], Ok(())),
            (both, true, &[(Password, 1), (Totp, 2)], Err(Insufficient)),
            (both, true, &[(Password, 999)], Err(Insufficient)),
            (both, true, &[(Password, 999), (Totp, 999)], Ok(())),
            (both, false, &[(Password, 1)], Err(NoFactor)),
            (both, true, &[(Passkey, 999)], Ok(())),
            (both, true, &[(Password, 1), (Passkey, 940)], Ok(())),
            (both, true, &[(Password, 999), (Passkey, 939)], Err(Insufficient)),
        ] {
            let checked = required.check(&authentications(shown), has_factor, now);
            assert_eq!(checked, expected, "{required:?} {has_factor} {shown:?}");
        }
    }
}
