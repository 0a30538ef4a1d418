//! Second factors, and what a right answer uses up of them (`docs/MODEL.md`, *Second factors*).

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::challenge::ChallengeId;
use crate::label::{cleaned, is_label};
use crate::session::{Method, TokenDigest};
use crate::time::Timestamp;

/// What becomes of a user's other sessions when their factors change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherSessions {
    /// They stay as they are.
    Stay,
    /// All but the one that asks end ([`EndReason::Revoked`](crate::session::EndReason::Revoked)).
    End,
}

impl OtherSessions {
    /// Whether they are to end.
    pub const fn end_if(wanted: bool) -> Self {
        if wanted { Self::End } else { Self::Stay }
    }
}

/// How many backup codes there are at a time.
pub const BACKUP_CODES: usize = 10;

/// How many factors a user may have: each is one more that a guessed code may fit.
pub const MOST_FACTORS: usize = 20;

/// A factor and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FactorId(pub Uuid);

impl FactorId {
    /// No factor's.
    pub const NONE: Self = Self(Uuid::nil());
}

impl fmt::Display for FactorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// A text that is no factor's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a factor")]
pub struct InvalidFactorId;

impl FromStr for FactorId {
    type Err = InvalidFactorId;

    fn from_str(text: &str) -> Result<Self, InvalidFactorId> {
        let id = Uuid::try_parse(text).map_err(|_| InvalidFactorId)?;
        // Other spellings of the same id are not accepted.
        if id.hyphenated().to_string() == text { Ok(Self(id)) } else { Err(InvalidFactorId) }
    }
}

/// What a factor's owner calls it: 1–128 printable characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactorName(String);

/// A text that cannot name a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a factor's name is 1 to 128 printable characters")]
pub struct InvalidFactorName;

impl FactorName {
    /// The longest name, in characters.
    pub const MAX: usize = 128;

    /// A name that is made of any text: what is not printable becomes a space.
    pub fn made_of(text: String) -> Self {
        if is_label(&text, Self::MAX) {
            return Self(text);
        }
        Self(cleaned(&text, Self::MAX).unwrap_or_else(|| "Unnamed factor".to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// White space around a name is not part of it.
impl TryFrom<String> for FactorName {
    type Error = InvalidFactorName;

    fn try_from(text: String) -> Result<Self, InvalidFactorName> {
        let text = text.trim();
        if is_label(text, Self::MAX) { Ok(Self(text.to_owned())) } else { Err(InvalidFactorName) }
    }
}

/// The kinds of factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorKind {
    /// Codes that change with the time (RFC 6238).
    Totp,
    /// Public keys (WebAuthn Level 2).
    Webauthn,
    /// Public keys that their authenticator finds by itself, and uses for its verified user alone: they sign in without
    /// a password, and serve as security keys do.
    Passkey,
}

impl FactorKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Totp, Self::Webauthn, Self::Passkey];

    /// The name in the API and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Webauthn => "webauthn",
            Self::Passkey => "passkey",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// How a session that rests on it was proved, beside the password.
    pub const fn method(self) -> Method {
        match self {
            Self::Totp => Method::Totp,
            Self::Webauthn | Self::Passkey => Method::Webauthn,
        }
    }
}

/// A factor as its owner sees it: nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// Which one.
    pub id: FactorId,
    /// What its owner calls it.
    pub name: FactorName,
    /// What it is.
    pub kind: FactorKind,
    /// Whether it is a passkey that may be copied to its owner's other devices.
    pub synced: bool,
    /// When it last proved something, its enrolment included.
    pub used_at: Option<Timestamp>,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When its row last changed.
    pub updated_at: Timestamp,
}

/// What a TOTP factor's codes are checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotpKey {
    /// Whose it is.
    pub factor: FactorId,
    /// The secret, encrypted.
    pub sealed: String,
    /// The step of the last code that was used: only later ones are good.
    pub last_step: i64,
}

/// What a WebAuthn factor's assertions are checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebauthnKey {
    /// Whose it is.
    pub factor: FactorId,
    /// The id that the authenticator knows it by.
    pub credential_id: Vec<u8>,
    /// The public key, as its maker wrote it.
    pub credential: String,
    /// The authenticator's counter at the last use; 0 where it does not count.
    pub sign_count: u32,
    /// Whether it is a passkey.
    pub passkey: bool,
}

/// A backup code that came from another program, and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImportedCodeId(pub Uuid);

impl fmt::Display for ImportedCodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// What is stored of a backup code that came from another program.
#[derive(Clone, PartialEq, Eq)]
pub enum ImportedCode {
    /// The SHA-512 of 20 hexadecimal digits.
    Sha512(Box<[u8; 64]>),
    /// The code itself, encrypted: it is so short that it could be found from a hash.
    Sealed {
        /// Which one.
        id: ImportedCodeId,
        /// Eight of `a-z0-9`, encrypted.
        sealed: String,
    },
}

impl ImportedCode {
    /// What tells it from every other one.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Sha512(hash) => &**hash,
            Self::Sealed { id, .. } => id.0.as_bytes(),
        }
    }
}

impl fmt::Debug for ImportedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ImportedCode(…)")
    }
}

/// A user's backup codes that nobody has used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnspentCodes {
    /// Those that were made here, by their digests.
    pub own: Vec<TokenDigest>,
    /// Those that came from another program.
    pub imported: Vec<ImportedCode>,
}

impl UnspentCodes {
    /// How many there are.
    pub const fn count(&self) -> usize {
        self.own.len() + self.imported.len()
    }
}

/// All that a user's second factor may be shown with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactorKeys {
    /// TOTP factors.
    pub totp: Vec<TotpKey>,
    /// WebAuthn factors.
    pub webauthn: Vec<WebauthnKey>,
    /// Backup codes that are left.
    pub backup: UnspentCodes,
}

/// What is stored of a factor besides its name.
#[derive(Clone, Debug)]
pub enum FactorMaterial {
    /// Of a TOTP factor.
    Totp {
        /// The secret, encrypted.
        sealed: String,
        /// The step of the code that confirmed it: it counts as used.
        last_step: i64,
    },
    /// Of a WebAuthn factor.
    Webauthn {
        /// The id that the authenticator knows it by.
        credential_id: Vec<u8>,
        /// The public key, as its maker wrote it.
        credential: String,
        /// The authenticator's counter.
        sign_count: u32,
    },
    /// Of a passkey.
    Passkey {
        /// The id that the authenticator knows it by.
        credential_id: Vec<u8>,
        /// The public key, as its maker wrote it.
        credential: String,
        /// The authenticator's counter.
        sign_count: u32,
        /// Whether it may be copied to its owner's other devices.
        synced: bool,
    },
}

impl FactorMaterial {
    /// Of which kind it is.
    pub const fn kind(&self) -> FactorKind {
        match self {
            Self::Totp { .. } => FactorKind::Totp,
            Self::Webauthn { .. } => FactorKind::Webauthn,
            Self::Passkey { .. } => FactorKind::Passkey,
        }
    }

    /// The id that an authenticator knows it by, where it is one of a security key.
    pub fn credential_id(&self) -> Option<&[u8]> {
        match self {
            Self::Totp { .. } => None,
            Self::Webauthn { credential_id, .. } | Self::Passkey { credential_id, .. } => Some(credential_id),
        }
    }
}

/// A factor to be enrolled.
#[derive(Clone, Debug)]
pub struct NewFactor {
    /// Which one.
    pub id: FactorId,
    /// What its owner calls it.
    pub name: FactorName,
    /// What is stored of it.
    pub material: FactorMaterial,
}

/// Which of a user's factors are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactorChoice {
    /// This one, which must be there.
    One(FactorId),
    /// Those of these that there are.
    Some(Vec<FactorId>),
    /// All of them.
    All,
}

/// What a right answer uses up, so that it is right only once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactorUse {
    /// A TOTP code.
    Totp {
        /// The factor that it belongs to.
        factor: FactorId,
        /// Its step.
        step: i64,
    },
    /// A WebAuthn assertion.
    Webauthn {
        /// The factor that signed.
        factor: FactorId,
        /// Its counter, which must have moved, unless it does not count.
        sign_count: u32,
        /// The public key with what the assertion told anew.
        credential: String,
    },
    /// A backup code.
    Backup(TokenDigest),
    /// A backup code that came from another program.
    ImportedCode(ImportedCode),
}

impl FactorUse {
    /// How a session that rests on it was proved.
    pub const fn method(&self) -> Method {
        match self {
            Self::Totp { .. } => Method::Totp,
            Self::Webauthn { .. } => Method::Webauthn,
            Self::Backup(_) | Self::ImportedCode(_) => Method::LookupSecret,
        }
    }
}

/// A passkey's right answer to a challenge that is stored nowhere. That the challenge was used is remembered until it
/// expires, from the transaction on of what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyAnswer {
    /// The challenge.
    pub challenge: ChallengeId,
    /// The second in which it stops being good.
    pub expires_at: Timestamp,
    /// What the answer uses up.
    pub used: FactorUse,
}

/// A right answer to a challenge. Both are spent in the transaction of what they allow, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightAnswer {
    /// The challenge.
    pub challenge: ChallengeId,
    /// What the answer uses up.
    pub used: FactorUse,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_in_one_spelling_alone() {
        let text = "0191f2a4-8b1c-7def-8000-00000000002a";
        assert_eq!(text.parse::<FactorId>().unwrap().to_string(), text);
        for other in [text.to_uppercase(), text.replace('-', ""), format!("{{{text}}}"), String::new()] {
            assert_eq!(other.parse::<FactorId>(), Err(InvalidFactorId), "{other:?}");
        }
    }

    #[test]
    fn factor_names_are_printable_and_bounded() {
        assert!(FactorName::try_from("My key".to_owned()).is_ok());
        for name in [String::new(), " ".to_owned(), "a\tb".to_owned(), "x".repeat(129)] {
            assert_eq!(FactorName::try_from(name.clone()), Err(InvalidFactorName), "{name:?}");
        }
        for (text, name) in [("My key", "My key"), ("a\u{202e}b ", "a b"), ("\u{3164}", "Unnamed factor")] {
            assert_eq!(FactorName::made_of(text.to_owned()).as_str(), name, "{text:?}");
        }
    }

    #[test]
    fn a_kind_of_factor_is_found_by_its_name_and_by_no_other() {
        let names = [(FactorKind::Totp, "totp"), (FactorKind::Webauthn, "webauthn"), (FactorKind::Passkey, "passkey")];
        assert_eq!(names.map(|(kind, _)| kind), FactorKind::ALL);
        for (kind, name) in names {
            assert_eq!((kind.name(), FactorKind::from_name(name)), (name, Some(kind)));
        }
        for other in ["", "TOTP", "totp ", "backup"] {
            assert_eq!(FactorKind::from_name(other), None, "{other:?}");
        }
    }

    #[test]
    fn security_keys_and_passkeys_have_an_id_that_their_authenticator_knows_and_apps_have_none() {
        let (credential_id, credential) = (vec![1, 2, 3], String::new());
        let app = FactorMaterial::Totp { sealed: String::new(), last_step: 0 };
        let key = FactorMaterial::Webauthn {
            credential_id: credential_id.clone(),
            credential: credential.clone(),
            sign_count: 0,
        };
        let passkey = FactorMaterial::Passkey { credential_id, credential, sign_count: 0, synced: true };
        assert_eq!(app.credential_id(), None);
        for (material, kind) in [(key, FactorKind::Webauthn), (passkey, FactorKind::Passkey)] {
            assert_eq!((material.credential_id(), material.kind()), (Some(&[1, 2, 3][..]), kind));
        }
    }

    #[test]
    fn backup_codes_are_counted_and_told_apart_and_none_is_printed() {
        let id = ImportedCodeId(Uuid::from_u128(42));
        let hashed = ImportedCode::Sha512(Box::new([7; 64]));
        let sealed = ImportedCode::Sealed { id, sealed: "s3cret".to_owned() };
        assert_eq!((hashed.key(), sealed.key()), (&[7; 64][..], &id.0.as_bytes()[..]));
        assert_eq!(format!("{hashed:?} {sealed:?}"), "ImportedCode(…) ImportedCode(…)");
        let own = [1, 2, 3].map(|byte| TokenDigest([byte; 32])).to_vec();
        assert_eq!(UnspentCodes { own, imported: vec![hashed, sealed] }.count(), 5);
        assert_eq!(UnspentCodes::default().count(), 0);
    }
}
