//! Accounts on their way in from another program, and what is remembered of them (`docs/MODEL.md`, *Imported accounts*).
//!
//! A source tells [`SourceAccount`]s: what it has, as it has it. The importer in `auth` makes [`ImportedAccount`]s of them,
//! which fit the rules here and hold no secret in clear, and the storage takes those in batches
//! ([`Imports`](crate::ports::Imports)). What came is remembered by the source and the id that it has there, for ever, so
//! that nothing comes twice, and nothing that ended here comes back.

mod remark;

use std::fmt;

pub use self::remark::{LeftOut, Remark};
use crate::factor::{ImportedCode, NewFactor};
use crate::id::{SessionId, SessionUuid, UserId, UserUuid, VerificationKeyId};
use crate::named::named;
use crate::session::{Authentication, End, Grant, Origin, SessionName, TokenDigest};
use crate::time::Timestamp;
use crate::user::{EmailAddress, PasswordHash, Username};

named! {
    /// The kind of program that accounts come from.
    ImportSource:
    /// The reference implementation of this API.
    Reference "reference",
    /// Ory Kratos.
    Kratos "kratos",
    /// A file with an object on each line.
    Users "users",
}

impl fmt::Display for ImportSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A secret as the source has it. It is sealed or hashed before it is stored, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceSecret<T>(pub T);

impl<T> fmt::Debug for SourceSecret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceSecret(…)")
    }
}

/// One account as the source has it.
#[derive(Clone, Debug)]
pub struct SourceAccount {
    /// What the source knows it by, for ever.
    pub source_id: String,
    /// The id that it must keep, because tokens hold it.
    pub id: Option<UserId>,
    /// The uuid that it must keep.
    pub uuid: Option<UserUuid>,
    /// The name.
    pub username: String,
    /// The address.
    pub email: String,
    /// The hash of the password in the source's form. `None` where there is none.
    pub password: Option<SourceSecret<String>>,
    /// Whether the user is staff.
    pub staff: bool,
    /// When the address was found to be theirs.
    pub verified_at: Option<Timestamp>,
    /// Since when the user is banned.
    pub banned_at: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Second factors.
    pub factors: Vec<SourceFactor>,
    /// Backup codes that are not used yet.
    pub codes: Vec<SourceCode>,
    /// Sessions, those that are over left out or not.
    pub sessions: Vec<SourceSession>,
    /// Whether this is more of the account that came before: further sessions alone.
    pub continued: bool,
    /// What the source has to say about it.
    pub remarks: Vec<Remark>,
}

/// A second factor as the source has it.
#[derive(Clone, Debug)]
pub struct SourceFactor {
    /// What the source knows it by, of all accounts.
    pub source_id: String,
    /// What its owner calls it.
    pub name: String,
    /// What answers are checked against.
    pub material: SourceFactorMaterial,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What answers are checked against.
#[derive(Clone, Debug)]
pub enum SourceFactorMaterial {
    /// An authenticator app.
    Totp {
        /// The shared secret.
        secret: SourceSecret<Vec<u8>>,
    },
    /// A security key.
    Webauthn {
        /// The id that the authenticator knows it by.
        credential_id: Vec<u8>,
        /// The public key as COSE (RFC 9052, section 7).
        public_key: Vec<u8>,
        /// The authenticator's counter.
        sign_count: u32,
        /// Whether the key may be on several devices.
        backup_eligible: bool,
    },
}

/// A backup code as the source has it.
#[derive(Clone, Debug)]
pub enum SourceCode {
    /// The SHA-512 of 20 hexadecimal digits, as 128 hexadecimal digits.
    Sha512Hex(SourceSecret<String>),
    /// The code itself, too short for a plain hash: eight characters of `a-z0-9`.
    Short(SourceSecret<String>),
}

/// A session as the source has it.
#[derive(Clone, Debug)]
pub struct SourceSession {
    /// What the source knows it by, of all accounts.
    pub source_id: String,
    /// The uuid that it must keep.
    pub uuid: Option<SessionUuid>,
    /// The id that it must keep, because its token holds it.
    pub id: Option<SessionId>,
    /// By what it is found.
    pub token: SourceToken,
    /// The name.
    pub name: String,
    /// `permissionFlags` as the source has them.
    pub flags: Option<i64>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
    /// Where it was made.
    pub origin: Origin,
    /// What it rests on, oldest first.
    pub authentications: Vec<Authentication>,
    /// Whether its user has yet to show the second factor.
    pub second_factor_pending: bool,
}

/// By what a session is found.
#[derive(Clone, Debug)]
pub enum SourceToken {
    /// A token that the source's key has signed ([`VerificationKey`]).
    Signed,
    /// An opaque one.
    Opaque(SourceSecret<String>),
    /// One that nobody holds: the session can be seen and ended.
    Lost,
}

/// The next thing that a source has.
#[derive(Clone, Debug)]
pub enum SourceItem {
    /// An account, or more of the one before.
    Account(Box<SourceAccount>),
    /// Something that cannot be read as an account.
    Unreadable {
        /// Which one: an id, or the number of a line.
        who: String,
        /// Why.
        why: LeftOut,
    },
}

/// Why a source cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Its database is away.
    #[error("the source cannot be reached: {0}")]
    Away(String),
    /// It is not what it should be.
    #[error("the source {0}")]
    Unfit(String),
}

/// A name and an address of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceNames<'a> {
    /// The name.
    pub username: &'a str,
    /// The address.
    pub email: &'a str,
}

/// What reads another program's accounts, and changes nothing there. It blocks.
pub trait AccountSource {
    /// Tells the names and addresses of all accounts, before the accounts are read: names that are the same here but not
    /// there are found by it.
    ///
    /// # Errors
    /// [`SourceError`].
    fn names(&mut self, each: &mut dyn FnMut(SourceNames<'_>)) -> Result<(), SourceError>;

    /// The next account, the oldest first; `None` after the last.
    ///
    /// # Errors
    /// [`SourceError`]: then there is nothing more to be read.
    fn next(&mut self) -> Result<Option<SourceItem>, SourceError>;
}

/// A public key of a program that was moved away from. It verifies tokens of sessions that came from there and signs
/// nothing; it is published nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationKey {
    /// Which one.
    pub id: VerificationKeyId,
    /// The key, as a JWK (RFC 7517).
    pub jwk: String,
    /// The `iss` of its tokens; `None` where they have none.
    pub issuer: Option<String>,
    /// When it came.
    pub created_at: Timestamp,
}

/// How many verify-only keys there are at most: a token may be tried with each.
pub const MOST_VERIFICATION_KEYS: usize = 4;

/// An account that fits the rules here, with what lets its user in.
#[derive(Clone, Debug)]
pub struct ImportedAccount {
    /// What the source knows it by.
    pub source_id: String,
    /// The id that it must keep; `None` is the first that is free from when it was made.
    pub id: Option<UserId>,
    /// Its uuid.
    pub uuid: UserUuid,
    /// Its name.
    pub username: Username,
    /// The name that it gets where its own is taken here.
    pub other_username: Option<Username>,
    /// Its address.
    pub email: EmailAddress,
    /// The hash of its password, or where it has none, of one that nobody knows.
    pub password: PasswordHash,
    /// Whether it has a password.
    pub has_password: bool,
    /// Whether the user is staff.
    pub staff: bool,
    /// When the address was found to be theirs.
    pub verified_at: Option<Timestamp>,
    /// Since when the user is banned.
    pub banned_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Second factors.
    pub factors: Vec<ImportedFactor>,
    /// Backup codes that come with the first factor. Those that are sealed came from a program where they are a factor by
    /// themselves, and come without one, too.
    pub codes: Vec<ImportedCode>,
    /// Sessions.
    pub sessions: Vec<ImportedSession>,
}

/// A second factor that came.
#[derive(Clone, Debug)]
pub struct ImportedFactor {
    /// What the source knows it by.
    pub source_id: String,
    /// What is stored of it.
    pub factor: NewFactor,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A session that came.
#[derive(Clone, Debug)]
pub struct ImportedSession {
    /// What the source knows it by.
    pub source_id: String,
    /// Its uuid.
    pub uuid: SessionUuid,
    /// The id that it must keep; `None` is the nearest that is free at or before when it was made.
    pub id: Option<SessionId>,
    /// The digest of its opaque token, where it has one.
    pub opaque: Option<TokenDigest>,
    /// The key that verifies its token, where it has a signed one.
    pub key: Option<VerificationKeyId>,
    /// Its name.
    pub name: SessionName,
    /// What it may do.
    pub grant: Grant,
    /// The second in which it stops being valid.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
    /// Where it was made.
    pub origin: Origin,
    /// What it rests on, oldest first.
    pub authentications: Vec<Authentication>,
    /// Whether its user has yet to show the second factor.
    pub second_factor_pending: bool,
    /// How it ended, where its user is banned.
    pub end: Option<End>,
}

/// Accounts that are taken in together, or not at all.
#[derive(Clone, Debug)]
pub struct ImportBatch {
    /// Where they come from.
    pub source: ImportSource,
    /// What verifies the tokens of their sessions. It is stored with the first of them that is open.
    pub key: Option<VerificationKey>,
    /// The accounts, each once.
    pub accounts: Vec<ImportedAccount>,
}

/// What became of one account of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportOutcome {
    /// The account itself.
    pub account: AccountOutcome,
    /// How many sessions came that are open.
    pub sessions: u64,
    /// How many came that are over.
    pub sessions_over: u64,
    /// How many second factors came.
    pub factors: u64,
    /// How many backup codes came.
    pub codes: u64,
    /// What did not come.
    pub remarks: Vec<Remark>,
}

impl ImportOutcome {
    /// Nothing came with it.
    pub const fn of(account: AccountOutcome) -> Self {
        Self { account, sessions: 0, sessions_over: 0, factors: 0, codes: 0, remarks: Vec::new() }
    }

    /// Whether anything is different now.
    pub const fn changes_anything(&self) -> bool {
        let came = self.sessions + self.sessions_over + self.factors + self.codes > 0;
        came || matches!(self.account, AccountOutcome::Created { .. })
    }
}

/// What became of the account itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountOutcome {
    /// It was made.
    Created {
        /// Under this id.
        id: UserId,
        /// Whether it got the other name.
        renamed: bool,
    },
    /// It came before, and is as it is here.
    Known,
    /// It came before, and was deleted here since.
    Deleted,
    /// It was left out.
    LeftOut(LeftOut),
}

/// An account with what lets its user in, on its way out.
#[derive(Clone, Debug)]
pub struct ExportedAccount {
    /// Who it is.
    pub user: crate::user::User,
    /// The hash of the password, where there is one.
    pub password: Option<PasswordHash>,
    /// The authenticator apps, with their encrypted secrets.
    pub totp: Vec<crate::factor::TotpKey>,
}

#[cfg(test)]
mod tests;
