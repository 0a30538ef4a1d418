//! Sessions.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use async_trait::async_trait;
use uuid::Uuid;

use super::{ChangeResult, Page, PageRequest, Stored};
use crate::audit::ActionContext;
use crate::authorization::AuthenticatedSession;
use crate::budget::BudgetKey;
use crate::change_authorization::ChangeAuthorization;
use crate::device::AgentName;
use crate::factor::{FactorUse, PasskeyAnswer, RightAnswer};
use crate::id::{SessionId, SessionUuid, UserId};
use crate::search::KeysetPage;
use crate::session::{
    Authentication, Dialect, EndReason, ImportedToken, NewSession, Session, SessionCap, SessionKey, SessionStatus,
    TokenDigest,
};
use crate::switch::SwitchSet;
use crate::time::Timestamp;

/// All that one request needs to know, from one read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The session with its user, whatever its state; `None` where the key fits no row.
    pub authenticated: Option<AuthenticatedSession>,
    /// Which kill switches are on.
    pub switches: SwitchSet,
}

/// Which sessions a list passes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Only those of this user.
    pub user: Option<UserId>,
    /// Not this one.
    pub except: Option<SessionUuid>,
    /// Only those that are live, or only those that are not. A banned user's are not.
    pub active: Option<bool>,
    /// Only scoped ones, or only those that are not.
    pub scoped: Option<bool>,
}

/// Which sessions a search finds: those that fit all that is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionSearch {
    /// This user's.
    pub user: Option<UserId>,
    /// Opened from this address.
    pub client_ip: Option<IpAddr>,
    /// Opened at or after this moment.
    pub since: Option<Timestamp>,
    /// Opened before this moment.
    pub until: Option<Timestamp>,
    /// Opened with this API, or on pages.
    pub dialect: Option<Dialect>,
    /// What they are worth now.
    pub status: Option<SessionStatus>,
}

impl SessionSearch {
    /// Whether a session is asked for.
    pub fn fits(&self, session: &Session, now: Timestamp) -> bool {
        self.user.is_none_or(|wanted| session.user == wanted)
            && self.client_ip.is_none_or(|wanted| session.origin.client_ip == Some(wanted))
            && self.since.is_none_or(|since| session.created_at >= since)
            && self.until.is_none_or(|until| session.created_at < until)
            && self.dialect.is_none_or(|wanted| session.origin.dialect == wanted)
            && self.status.is_none_or(|wanted| session.status(now) == wanted)
    }
}

/// A place in the order in which sessions are listed: by creation time from the newest on, and among those of one
/// moment by id and uuid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCursor {
    /// When the session there was made.
    pub created_at: Timestamp,
    /// Its id.
    pub id: SessionId,
    /// Its uuid.
    pub uuid: SessionUuid,
}

impl From<&Session> for SessionCursor {
    fn from(session: &Session) -> Self {
        Self { created_at: session.created_at, id: session.id, uuid: session.uuid }
    }
}

/// A text that is no place in a list of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in a list of sessions")]
pub struct InvalidSessionCursor;

/// `1700000000000.1700000000.6f1d3b0e…`: when, which and which exactly.
impl fmt::Display for SessionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.created_at.unix_millis(), self.id, self.uuid.0.simple())
    }
}

/// There is one spelling for each.
impl FromStr for SessionCursor {
    type Err = InvalidSessionCursor;

    fn from_str(text: &str) -> Result<Self, InvalidSessionCursor> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(InvalidSessionCursor);
        let cursor = Self {
            created_at: Timestamp::from_unix_millis(part()?.parse().map_err(|_| InvalidSessionCursor)?),
            id: part()?.parse().map_err(|_| InvalidSessionCursor)?,
            uuid: SessionUuid(Uuid::try_parse(part()?).map_err(|_| InvalidSessionCursor)?),
        };
        if cursor.to_string() == text { Ok(cursor) } else { Err(InvalidSessionCursor) }
    }
}

/// What a session is found by, whosever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionHandle {
    /// Its uuid.
    Uuid(SessionUuid),
    /// The digest of its opaque token.
    Opaque(TokenDigest),
    /// The claims of its token that a verify-only key has verified.
    Imported(ImportedToken),
}

/// Which session it is, and nothing that its row says besides: so it can be ended whatever that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOf {
    /// Whose it is.
    pub user: UserId,
    /// Its id, of which each user has their own.
    pub id: SessionId,
}

/// Another opaque token for the same session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenReplacement {
    /// The digest of the token that it must have now.
    pub old: TokenDigest,
    /// The digest of the one that it gets.
    pub new: TokenDigest,
}

/// An opaque token that was replaced by another one of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplacedToken {
    /// The session, whatever its state, with its user.
    pub authenticated: AuthenticatedSession,
    /// When it got another token.
    pub replaced_at: Timestamp,
}

/// A second factor that is shown for an open session.
#[derive(Clone, Debug)]
pub struct StepUp {
    /// The factor, which is spent.
    pub used: FactorUse,
    /// The client, whose device is known from then on if this completes a login.
    pub agent: AgentName,
    /// How many full sessions there may be, if this makes it one.
    pub cap: SessionCap,
    /// The failure budget that was charged.
    pub clears: BudgetKey,
}

/// Where a page of a list begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStart {
    /// After so many sessions.
    Skip(u64),
    /// After this place, whatever was opened or ended meanwhile.
    After(SessionCursor),
}

/// Sessions. Expired and ended ones are invisible to every method but
/// [`Sessions::session_authority`], [`Sessions::session_find_any`], [`Sessions::session_locate`],
/// [`Sessions::session_list`] and [`Sessions::session_search`].
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Opens a session for a user who proved themselves with the credential of this version, and with an answer to a
    /// challenge where they have a second factor, which is spent: unless the user is gone, banned, or has changed the
    /// password meanwhile. A session without a pending factor completes a login, and so clears the failure budget that the
    /// login was charged to in the same transaction, and makes the network known that it was opened from, and the device. Its
    /// record says whether that is a new one.
    ///
    /// A full session beyond the cap ends the least recently used one ([`EndReason::Cap`]), or is
    /// [`Refusal::TooManySessions`](crate::change_authorization::Refusal::TooManySessions), as the cap says. One whose
    /// factor is pending does not count, and beyond [`PENDING_CAP`](crate::session::PENDING_CAP) ends the oldest of those. Where there
    /// are more than that, as after the cap was lowered, they are left to [`Backlog`](super::Backlog).
    async fn session_open(
        &self,
        user: UserId,
        credential_version: i64,
        answer: Option<RightAnswer>,
        session: NewSession,
    ) -> ChangeResult<Session>;

    /// The same for a user who proved themselves with a passkey, whose answer is spent; whatever their password is by now.
    async fn session_open_by_passkey(
        &self,
        user: UserId,
        answer: PasskeyAnswer,
        session: NewSession,
    ) -> ChangeResult<Session>;

    /// Opens a session that another one of the same user asks for. Staff scopes are refused once the user is no
    /// longer staff. A scoped session beyond the cap is
    /// [`Refusal::TooManySessions`](crate::change_authorization::Refusal::TooManySessions); one whose uuid there is
    /// already, [`Refusal::Taken`](crate::change_authorization::Refusal::Taken).
    async fn session_open_from(
        &self,
        user: UserId,
        session: NewSession,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<Session>;

    /// The session behind a credential with its user, and the switches: in one consistent read. One that cannot be read
    /// and is over for certain fits no row.
    async fn session_authority(&self, key: Option<SessionKey>) -> Stored<Authority>;

    /// One live session of a user.
    async fn session_find(&self, user: UserId, id: SessionId, now: Timestamp) -> Stored<Option<Session>>;

    /// A page of a user's live sessions, newest first.
    async fn session_page(&self, user: UserId, page: PageRequest, now: Timestamp) -> Stored<Page<Session>>;

    /// The same without one of them, which is not counted either. A page that is not full is the last one.
    async fn session_page_but(
        &self,
        user: UserId,
        but: Option<SessionUuid>,
        start: PageStart,
        limit: u32,
        now: Timestamp,
    ) -> Stored<Page<Session>>;

    /// A page of the sessions that a filter lets pass, whatever their state, with their users.
    async fn session_list(
        &self,
        filter: SessionFilter,
        start: PageStart,
        limit: u32,
        now: Timestamp,
    ) -> Stored<Vec<AuthenticatedSession>>;

    /// The newest of the sessions that a filter lets pass, those that cannot be read among them.
    async fn session_locate_some(&self, filter: SessionFilter, limit: u32, now: Timestamp) -> Stored<Vec<SessionOf>>;

    /// The sessions that a search finds, newest first, from a place on. Some of them, or none, though there may be more
    /// behind `next`: where an index alone does not tell which they are, no more than some thousand rows are looked at.
    async fn session_search(
        &self,
        search: SessionSearch,
        after: Option<SessionCursor>,
        limit: u32,
        now: Timestamp,
    ) -> Stored<KeysetPage<AuthenticatedSession, SessionCursor>>;

    /// How many sessions a filter lets pass.
    async fn session_count(&self, filter: SessionFilter, now: Timestamp) -> Stored<u64>;

    /// A user's sessions that somebody ended before they had expired, those that ended last first. One that ended together
    /// with very many others is among them once its own row says so ([`Backlog::write_ends`](super::Backlog::write_ends)).
    async fn session_recently_ended(&self, user: UserId, limit: u32, now: Timestamp) -> Stored<Vec<Session>>;

    /// Steps up an open session by a second factor, which is spent: from then on none is pending. A completed login clears
    /// the failure budget that it was charged to in the same transaction, counts as a full session as when one is opened,
    /// and says whether the device is a new one.
    async fn session_step_up(
        &self,
        user: UserId,
        session: SessionUuid,
        step_up: StepUp,
        action: ActionContext,
    ) -> ChangeResult<Session>;

    /// Confirms that a live session is in its user's hands: from then on it rests on what was shown, and has another
    /// token. The one before is good for nothing. Where the session has another than that by now, it is over for who
    /// asks: [`PreconditionFailed::SessionEnded`](crate::change_authorization::PreconditionFailed).
    async fn session_confirm(
        &self,
        session: SessionUuid,
        user: UserId,
        token: TokenReplacement,
        shown: &[Authentication],
        authorization: ChangeAuthorization,
    ) -> ChangeResult<Session>;

    /// Whether this token was replaced by another one of its session, at this moment or later.
    async fn token_was_replaced(&self, token: TokenDigest, since: Timestamp) -> Stored<bool>;

    /// The session that a replaced token was of, as long as both are known.
    async fn token_find_replaced(&self, token: TokenDigest) -> Stored<Option<ReplacedToken>>;

    /// Gives a live full session a pass, by which [`SessionKey::Pass`] finds it from then on; the one before is good for
    /// nothing. `false` where there is none that is live. What the session may do does not change, so there is no record.
    async fn session_set_pass(
        &self,
        session: SessionUuid,
        user: UserId,
        pass: TokenDigest,
        now: Timestamp,
    ) -> Stored<bool>;

    /// Lets a live session last until a moment, if that is later than it would: unless its token says itself when it
    /// expires. `None` where there is none that is live.
    async fn session_extend(
        &self,
        session: SessionUuid,
        until: Timestamp,
        action: ActionContext,
    ) -> Stored<Option<Session>>;

    /// A session by its uuid, whatever its state.
    async fn session_find_any(&self, uuid: SessionUuid) -> Stored<Option<Session>>;

    /// The same with its user.
    async fn session_find_with_user(&self, uuid: SessionUuid) -> Stored<Option<AuthenticatedSession>>;

    /// Which session this is, whatever its state, and whether or not its row can be read.
    async fn session_locate(&self, session: SessionHandle) -> Stored<Option<SessionOf>>;

    /// Ends one live session of a user. `false` if there is none of this id (any more).
    async fn session_end(&self, user: UserId, id: SessionId, why: EndReason, action: ActionContext) -> Stored<bool>;

    /// Ends those of a user's live sessions that are named; returns how many this call ended.
    async fn session_end_some(
        &self,
        user: UserId,
        ids: &[SessionId],
        why: EndReason,
        action: ActionContext,
    ) -> Stored<u64>;

    /// Ends all live sessions of a user; returns how many this call ended. From its commit on they are all over; where
    /// they are very many, their rows say so later ([`Backlog::write_ends`](super::Backlog::write_ends)), and one
    /// audit record says how many there were.
    async fn session_end_all(&self, user: UserId, why: EndReason, action: ActionContext) -> Stored<u64>;

    /// The same with all but one.
    async fn session_end_others(
        &self,
        user: UserId,
        keep: SessionUuid,
        why: EndReason,
        action: ActionContext,
    ) -> Stored<u64>;

    /// Ends everybody's live sessions that were made before a moment, in batches; returns how many. For "a
    /// backup was restored". Leaves one record.
    async fn session_end_everywhere(&self, before: Timestamp, why: EndReason, action: ActionContext) -> Stored<u64>;

    /// Writes when sessions were last used. A time that is not at least a minute after the stored one is
    /// left out, so that a session is written at most once a minute, however many replicas there are; where the policy ends
    /// sessions that are not used, none is left out that is later.
    async fn session_record_uses(&self, uses: &[(SessionUuid, Timestamp)]) -> Stored<()>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::session::tests::sample;

    proptest! {
        #[test]
        fn a_place_in_a_list_survives_printing_and_parsing(at in any::<i64>(), id in 1..i64::MAX, uuid in any::<u128>()) {
            let (created_at, id) = (Timestamp::from_unix_millis(at), SessionId::from_number(id));
            let cursor = SessionCursor { created_at, id, uuid: SessionUuid(Uuid::from_u128(uuid)) };
            prop_assert_eq!(cursor.to_string().parse::<SessionCursor>(), Ok(cursor));
        }
    }

    #[test]
    fn a_session_is_found_where_it_fits_all_that_is_given() {
        let at = Timestamp::from_unix_seconds;
        let [here, there] = ["192.0.2.7", "192.0.2.8"].map(|address| address.parse().ok());
        let mut session = sample(at(10), at(60));
        (session.origin.client_ip, session.origin.dialect) = (here, Dialect::Kratos);
        let all = SessionSearch {
            user: Some(session.user),
            client_ip: here,
            since: Some(at(10)),
            until: Some(at(11)),
            dialect: Some(Dialect::Kratos),
            status: Some(SessionStatus::Live),
        };
        assert!(SessionSearch::default().fits(&session, at(20)) && all.fits(&session, at(20)));
        assert!(!all.fits(&session, at(60)), "expired");
        for other in [
            SessionSearch { user: Some(UserId::NOBODY), ..all },
            SessionSearch { client_ip: there, ..all },
            SessionSearch { since: Some(at(11)), ..all },
            SessionSearch { until: Some(at(10)), ..all },
            SessionSearch { dialect: Some(Dialect::Pages), ..all },
            SessionSearch { status: Some(SessionStatus::Ended), ..all },
        ] {
            assert!(!other.fits(&session, at(20)), "{other:?}");
        }
    }

    #[test]
    fn nothing_else_is_a_place_in_a_list() {
        let uuid = "6f1d3b0e8f3a4b5c9d2e1a7c5e9b4d20";
        let place = format!("1767225600123.1767225600.{uuid}");
        assert!(place.parse::<SessionCursor>().is_ok());
        for other in [
            "",
            "x",
            "1.2",
            "1..2",
            "1.2.3",
            "x.1700000000.00000000000000000000000000000007",
            "1.2.00000000-0000-0000-0000-000000000007",
            "99999999999999999999.1.00000000000000000000000000000007",
            &format!("+{place}"),
            &format!("0{place}"),
            &format!("{place}.1"),
            &place.to_uppercase(),
        ] {
            assert_eq!(other.parse::<SessionCursor>(), Err(InvalidSessionCursor), "{other}");
        }
    }
}
