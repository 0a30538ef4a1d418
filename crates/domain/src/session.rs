//! Sessions as states, and what their rows keep (`docs/MODEL.md`, *Session*).

use std::fmt;
use std::net::IpAddr;

use smallvec::SmallVec;
use smol_str::SmolStr;

use crate::budget::BudgetKey;
use crate::device::{AgentName, LoginDevice};
use crate::id::{SessionId, SessionUuid, UserId, VerificationKeyId};
use crate::label::{cleaned, is_label};
use crate::named::named;
use crate::scope::ScopeSet;
use crate::time::Timestamp;

/// A session's name: 1–128 printable characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionName(SmolStr);

/// A text that cannot name a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session name is 1 to 128 printable characters")]
pub struct InvalidSessionName;

impl SessionName {
    /// The longest name, in characters.
    pub const MAX: usize = 128;

    /// The name where nothing is known of the client.
    pub fn unnamed() -> Self {
        Self(SmolStr::new_static("Unknown device"))
    }

    /// A name that is made of any text: what is not printable becomes a space.
    pub fn made_of(text: &str) -> Self {
        if is_label(text, Self::MAX) {
            return Self(text.into());
        }
        cleaned(text, Self::MAX).map_or_else(Self::unnamed, |text| Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// White space around a name is not part of it.
impl TryFrom<String> for SessionName {
    type Error = InvalidSessionName;

    fn try_from(text: String) -> Result<Self, InvalidSessionName> {
        let text = text.trim();
        if is_label(text, Self::MAX) { Ok(Self(text.into())) } else { Err(InvalidSessionName) }
    }
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// An ordinary session: everything its user may do, with reverification where it is asked for.
    Full,
    /// A scoped session: what its scopes allow, without reverification.
    Scoped(ScopeSet),
}

named! {
    /// The API that a session was made with, or the pages.
    Dialect:
    /// `/api`.
    Current "current",
    /// `/api/user…`.
    Legacy "legacy",
    /// `/auth`.
    Kratos "kratos",
    /// The pages for people.
    Pages "pages",
}

/// Where a session was made: for the device list and the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The API it was made with.
    pub dialect: Dialect,
    /// The client's address.
    pub client_ip: Option<IpAddr>,
    /// The User-Agent header, at most [`Origin::USER_AGENT_MAX`] bytes of it.
    pub user_agent: Option<Box<str>>,
}

impl Origin {
    /// The longest User-Agent that is kept, in bytes.
    pub const USER_AGENT_MAX: usize = 512;

    /// Cuts a User-Agent to what is kept, between characters.
    pub fn cut_user_agent(text: &str) -> &str {
        &text[..text.floor_char_boundary(Self::USER_AGENT_MAX)]
    }
}

named! {
    /// How somebody proved who they are.
    Method:
    /// A password.
    Password "password",
    /// A code of an authenticator app (RFC 6238).
    Totp "totp",
    /// A signature of a security key (WebAuthn).
    Webauthn "webauthn",
    /// A backup code; the name is the one of the Kratos dialect.
    LookupSecret "lookup_secret",
    /// A signature of a passkey for its verified user, in place of the password and the factor.
    Passkey "passkey",
}

impl Method {
    /// Whether it shows a second factor.
    pub const fn is_second_factor(self) -> bool {
        match self {
            Self::Password => false,
            Self::Totp | Self::Webauthn | Self::LookupSecret | Self::Passkey => true,
        }
    }

    /// Whether it shows all that an account asks for.
    pub const fn is_complete(self) -> bool {
        matches!(self, Self::Passkey)
    }
}

/// One proof of identity that a session rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// What was shown.
    pub method: Method,
    /// When.
    pub at: Timestamp,
}

/// What a session rests on. Most rest on one, which needs no allocation: sessions are cached.
pub type Authentications = SmallVec<[Authentication; 1]>;

/// Adds a proof to those that a session rests on. Of each method the latest is kept, so that they are no more than
/// there are methods.
pub fn prove(authentications: &mut Authentications, shown: Authentication) {
    authentications.retain(|earlier| earlier.method != shown.method);
    authentications.push(shown);
}

/// When all that an account asks for had last been shown: the password, and a second factor where there is one; or a
/// passkey. `None` where something has never been.
pub fn proved_at(authentications: &[Authentication], has_second_factor: bool) -> Option<Timestamp> {
    let latest = |counts: fn(Method) -> bool| {
        authentications.iter().filter(|shown| counts(shown.method)).map(|shown| shown.at).max()
    };
    let password = latest(|method| method == Method::Password);
    let one_by_one = if has_second_factor { latest(Method::is_second_factor).min(password) } else { password };
    one_by_one.max(latest(Method::is_complete))
}

/// Who did something, for the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A user, through a session of theirs.
    User(UserId),
    /// The operator, on the command line.
    CommandLine,
    /// Somebody who has not shown who they are.
    Stranger,
    /// The server itself, by its settings.
    System,
}

impl Actor {
    /// How the operator is named where users are named by their ids.
    pub const COMMAND_LINE: &'static str = "command-line";
    /// How somebody who has not shown who they are is named there.
    pub const STRANGER: &'static str = "stranger";
    /// How the server itself is named there.
    pub const SYSTEM: &'static str = "system";

    /// The user, if it was one.
    pub const fn user(self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::CommandLine | Self::Stranger | Self::System => None,
        }
    }
}

/// A user's id, [`Actor::COMMAND_LINE`], [`Actor::STRANGER`] or [`Actor::SYSTEM`].
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::CommandLine => f.write_str(Self::COMMAND_LINE),
            Self::Stranger => f.write_str(Self::STRANGER),
            Self::System => f.write_str(Self::SYSTEM),
        }
    }
}

named! {
    /// Why a session ended.
    EndReason:
    /// Its own user ended it.
    Revoked "revoked",
    /// Somebody ended it who had its token, and need not have been its user (RFC 7009).
    RevokedByHolder "revoked_by_holder",
    /// Staff ended it.
    RevokedByStaff "revoked_by_staff",
    /// Its user was banned.
    Banned "banned",
    /// Its user's password changed.
    PasswordChanged "password_changed",
    /// Its user became staff, or stopped being staff.
    StaffChanged "staff_changed",
    /// The operator ended it from the command line.
    Operator "operator",
    /// Its user had more sessions than one may have, and this was the least recently used.
    Cap "cap",
    /// It was not used for as long as the policy allows.
    Idle "idle",
    /// It was as old as the policy allows.
    Absolute "absolute",
}

impl EndReason {
    /// Whether a rule ends sessions for it, rather than somebody.
    pub const fn is_of_a_rule(self) -> bool {
        match self {
            Self::Cap | Self::Idle | Self::Absolute => true,
            Self::Revoked
            | Self::RevokedByHolder
            | Self::RevokedByStaff
            | Self::Banned
            | Self::PasswordChanged
            | Self::StaffChanged
            | Self::Operator => false,
        }
    }
}

/// The end of a session: it is kept as a row until its retention runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
    /// Why.
    pub why: EndReason,
}

/// Whether somebody has ended the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody has (it may still have expired).
    Open,
    /// Somebody has.
    Ended(End),
    /// It had expired when its user's other sessions were ended, by the clock of who ended them: so it is over by every
    /// other clock, too.
    Expired,
}

/// What a policy makes of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyBounds {
    /// For how many milliseconds it may go unused, the lag of what is known of its use included.
    pub idle_millis: Option<i64>,
    /// Whether the policy ends it before it would have expired: `expires_at` is then when it does.
    pub cut: bool,
}

/// A session's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The session and no other: its token's `jti`.
    pub uuid: SessionUuid,
    /// Its id among its user's: its token's `iat`.
    pub id: SessionId,
    /// Its user.
    pub user: UserId,
    /// Its name in lists.
    pub name: SessionName,
    /// What it may do.
    pub grant: Grant,
    /// The second in which it stops being valid, at the latest.
    pub expires_at: Timestamp,
    /// When it was last used; may lag by up to 60 s.
    pub used_at: Option<Timestamp>,
    /// When it was made. Lists are ordered by this.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
    /// Where it was made.
    pub origin: Origin,
    /// What it rests on, oldest first.
    pub authentications: Authentications,
    /// Whether its user has yet to show the second factor.
    pub second_factor_pending: bool,
    /// Whether it has been ended.
    pub state: State,
    /// What the policy makes of it ([`Session::under`]).
    pub bounds: PolicyBounds,
}

named! {
    /// What a session is worth at a moment.
    SessionStatus:
    /// It may be used.
    Live "live",
    /// Its user has given the password but not the second factor.
    SecondFactorPending "second_factor_pending",
    /// It was ended, by somebody or for want of use, and would not have expired yet.
    Ended "ended",
    /// Its time is over.
    Expired "expired",
}

impl Session {
    /// What the session is worth at `now`, its user's ban left aside.
    pub fn status(&self, now: Timestamp) -> SessionStatus {
        match self.state {
            _ if self.expires_at <= now => SessionStatus::Expired,
            State::Expired => SessionStatus::Expired,
            State::Ended(_) => SessionStatus::Ended,
            State::Open if self.is_idle(now) => SessionStatus::Ended,
            State::Open if self.second_factor_pending => SessionStatus::SecondFactorPending,
            State::Open => SessionStatus::Live,
        }
    }

    /// How it ended, if it has: as its row says, or else by the policy. What expired by itself has no end.
    pub fn end(&self, now: Timestamp) -> Option<End> {
        let by_policy = |at, why| Some(End { at, by: Actor::System, why });
        match self.state {
            State::Ended(end) => Some(end),
            State::Expired => None,
            State::Open => match self.idle_from() {
                Some(idle) if idle < now && idle < self.expires_at => by_policy(idle, EndReason::Idle),
                _ if self.bounds.cut && self.expires_at <= now => by_policy(self.expires_at, EndReason::Absolute),
                _ => None,
            },
        }
    }

    /// Whether nobody has used it for longer than the policy allows, as far as is known of its use.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.idle_from().is_some_and(|idle| idle < now)
    }

    /// The last moment at which it is not idle.
    fn idle_from(&self) -> Option<Timestamp> {
        let last = self.used_at.map_or(self.created_at, |used| used.max(self.created_at));
        self.bounds.idle_millis.map(|millis| last.plus_millis(millis))
    }

    /// Whether a second factor was shown in it, or for it to be made.
    pub fn is_proved_by_factor(&self) -> bool {
        self.authentications.iter().any(|shown| shown.method.is_second_factor())
    }
}

/// SHA-256 of an opaque token: what is stored of it (`docs/MODEL.md`, *Tokens*).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest(pub [u8; 32]);

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

/// What a token of a program that was moved away from says of its session (`docs/MODEL.md`, *Imported accounts*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportedToken {
    /// The key that verified it: the session came with that one.
    pub key: VerificationKeyId,
    /// Its `sub`.
    pub user: UserId,
    /// Its `iat`.
    pub id: SessionId,
    /// Its `exp`: the session's to the second, or it is another token that the same key has signed.
    pub expires_at: Timestamp,
}

/// How a request points to its session, after its token has been checked as far as that goes without the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKey {
    /// The `jti` and `sub` of a verified JWT.
    Uuid(SessionUuid, UserId),
    /// The digest of an opaque token.
    Opaque(TokenDigest),
    /// The digest of a pass, by which proxies alone are told of it.
    Pass(TokenDigest),
    /// The claims of a token that a verify-only key has verified.
    Imported(ImportedToken),
}

named! {
    /// What happens to a session that is one too many.
    BeyondCap:
    /// The least recently used one ends.
    EndOldest "end-oldest",
    /// It is not opened.
    Refuse "refuse",
}

/// How many sessions of a kind a user may have at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCap {
    /// So many.
    pub most: u32,
    /// What happens to the next one.
    pub beyond: BeyondCap,
}

/// A session to be opened. The adapter picks the id: the nearest free second at or before `at`.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its token's `jti`.
    pub uuid: SessionUuid,
    /// The digest of its opaque token, where it has one.
    pub opaque: Option<TokenDigest>,
    /// Its name in lists.
    pub name: SessionName,
    /// What it may do.
    pub grant: Grant,
    /// Now.
    pub at: Timestamp,
    /// The second in which it stops being valid.
    pub expires_at: Timestamp,
    /// Where it is made.
    pub origin: Origin,
    /// What it rests on.
    pub authentications: Vec<Authentication>,
    /// Whether its user has yet to show the second factor.
    pub second_factor_pending: bool,
    /// How many of its kind, full or scoped, its user may have, this one included.
    pub cap: SessionCap,
    /// The failures that a login forgets which has no second factor pending.
    pub clears: Option<BudgetKey>,
    /// The client that logs in; `None` where the session is no login.
    pub agent: Option<AgentName>,
}

impl NewSession {
    /// What it is that the user logs in with, once the login is complete.
    pub fn login_device(&self) -> Option<LoginDevice> {
        let agent = self.agent.as_ref().filter(|_| !self.second_factor_pending);
        agent.map(|agent| LoginDevice::new(agent.clone(), self.origin.client_ip))
    }
}

/// How many sessions a user may have whose second factor is pending, whatever the settings say. They do not count as
/// full sessions: a password alone must not push any of those out, nor keep anybody from logging in.
pub const PENDING_CAP: SessionCap = SessionCap { most: 10, beyond: BeyondCap::EndOldest };

#[cfg(test)]
pub(crate) mod tests;
