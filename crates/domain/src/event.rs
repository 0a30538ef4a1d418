//! The feed of events: what other services are told of, in the order in which it was committed (`docs/API.md`, *The feed*).
//! An event is a record of the audit trail that tells them of something.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::audit::AuditKind;
use crate::factor::FactorKind;
use crate::id::{SessionId, SessionUuid, UserId, UserUuid};
use crate::named::named;
use crate::session::{Actor, EndReason};
use crate::switch::KillSwitch;
use crate::time::Timestamp;

/// A place in the feed: that of an event, or the one before the first that is kept. It is also what an event is called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventCursor {
    /// Later events have higher ones, without gaps.
    pub number: i64,
    /// Random: in another history of the database, the event of this number has another one.
    pub nonce: i64,
}

/// A text that is no place in the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of the feed")]
pub struct InvalidEventCursor;

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.number, self.nonce)
    }
}

/// There is one spelling for each.
impl FromStr for EventCursor {
    type Err = InvalidEventCursor;

    fn from_str(text: &str) -> Result<Self, InvalidEventCursor> {
        // So no number is negative.
        let (number, nonce) = text.split_once('-').ok_or(InvalidEventCursor)?;
        let number = number.parse().map_err(|_| InvalidEventCursor)?;
        let nonce = u64::from_str_radix(nonce, 16).map_err(|_| InvalidEventCursor)?.cast_signed();
        let cursor = Self { number, nonce };
        if cursor.to_string() == text { Ok(cursor) } else { Err(InvalidEventCursor) }
    }
}

named! {
    /// What has happened.
    EventType:
    /// A session was opened.
    SessionCreated "session.created",
    /// A session's user has shown again who they are, or a second factor: what is known of the session is outdated, and its
    /// token may be another one.
    SessionSteppedUp "session.stepped_up",
    /// A session was made to last longer.
    SessionExtended "session.extended",
    /// A session was ended before it expired.
    SessionEnded "session.ended",
    /// Very many sessions were ended at once: all of a user but one that may stay, or everybody's.
    SessionsEnded "sessions.ended",
    /// An account was made.
    UserCreated "user.created",
    /// A user got another name.
    UserRenamed "user.renamed",
    /// A user was banned. The ends of their sessions are events of their own.
    UserBanned "user.banned",
    /// A ban was lifted.
    UserUnbanned "user.unbanned",
    /// An account was deleted, and with it all sessions of its user.
    UserDeleted "user.deleted",
    /// A user's password was set. The ends of their sessions are events of their own.
    UserPasswordChanged "user.password_changed",
    /// A user became staff, or is staff no longer. The ends of their sessions are events of their own.
    UserStaffChanged "user.staff_changed",
    /// A second factor was enrolled.
    FactorAdded "factor.added",
    /// A second factor was removed.
    FactorRemoved "factor.removed",
    /// An account's failure budget is used up, and another attempt was made that had waited long enough.
    LoginThrottled "login.throttled",
    /// A kill switch was turned on or off.
    SwitchChanged "switch.changed",
    /// A new signing key was made.
    KeyRotated "key.rotated",
}

impl EventType {
    /// What records of this kind tell other services of, if anything.
    pub const fn of(kind: AuditKind) -> Option<Self> {
        Some(match kind {
            AuditKind::LoggedIn | AuditKind::ScopedSessionIssued => Self::SessionCreated,
            AuditKind::SessionSteppedUp | AuditKind::SessionConfirmed => Self::SessionSteppedUp,
            AuditKind::SessionExtended => Self::SessionExtended,
            AuditKind::SessionEnded => Self::SessionEnded,
            AuditKind::SessionsEnded => Self::SessionsEnded,
            AuditKind::AccountCreated | AuditKind::AccountImported => Self::UserCreated,
            AuditKind::AccountRenamed => Self::UserRenamed,
            AuditKind::AccountBanned => Self::UserBanned,
            AuditKind::AccountUnbanned => Self::UserUnbanned,
            AuditKind::AccountDeleted => Self::UserDeleted,
            AuditKind::PasswordChanged => Self::UserPasswordChanged,
            AuditKind::StaffGranted | AuditKind::StaffRevoked => Self::UserStaffChanged,
            AuditKind::FactorAdded => Self::FactorAdded,
            AuditKind::FactorRemoved => Self::FactorRemoved,
            AuditKind::AttemptedBeyondBudget => Self::LoginThrottled,
            AuditKind::SwitchOn | AuditKind::SwitchOff => Self::SwitchChanged,
            AuditKind::KeyRotated => Self::KeyRotated,
            AuditKind::EmailChanged
            | AuditKind::AccountVerified
            | AuditKind::AccountUnverified
            | AuditKind::BackupCodesRenewed
            | AuditKind::SecretsResealed
            | AuditKind::ServiceCreated
            | AuditKind::ServiceRevoked
            | AuditKind::DatabaseRestored
            | AuditKind::AccountUnlocked
            | AuditKind::LoginsFailed
            | AuditKind::LinkMade
            | AuditKind::LinkUsed
            | AuditKind::LinkExpired
            | AuditKind::WebhookAdded
            | AuditKind::WebhookRemoved
            | AuditKind::WebhookRotated
            | AuditKind::WebhookResumed
            | AuditKind::SessionsImported
            | AuditKind::ImportFinished => return None,
        })
    }
}

/// Some types of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTypes(u32);

/// A text that names no type of event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no type of event")]
pub struct UnknownEventType(pub String);

impl EventTypes {
    /// Every one.
    pub const ALL: Self = Self((1 << EventType::TABLE.len()) - 1);

    const NONE: Self = Self(0);

    /// Whether one is among them.
    pub const fn contains(self, event_type: EventType) -> bool {
        self.0 & Self::bit(event_type) != 0
    }

    /// The kinds of records that tell of one of them.
    pub fn kinds(self) -> impl Iterator<Item = AuditKind> {
        let kinds = AuditKind::TABLE.into_iter().map(|(kind, _)| kind);
        kinds.filter(move |kind| EventType::of(*kind).is_some_and(|event_type| self.contains(event_type)))
    }

    const fn bit(event_type: EventType) -> u32 {
        1 << event_type as u32
    }

    fn all_that(fits: impl Fn(&str) -> bool) -> Self {
        let fitting = EventType::TABLE.into_iter().filter(|(_, name)| fits(name));
        Self(fitting.fold(Self::NONE.0, |bits, (event_type, _)| bits | Self::bit(event_type)))
    }

    /// What one pattern stands for: a name, all that begin with what stands before its dot (`session.*`), or all (`*`).
    fn of_pattern(pattern: &str) -> Result<Self, UnknownEventType> {
        let found = match pattern.strip_suffix('*') {
            Some("") => Self::ALL,
            Some(group) if group.ends_with('.') => Self::all_that(|name| name.starts_with(group)),
            _ => Self::all_that(|name| name == pattern),
        };
        if found == Self::NONE { Err(UnknownEventType(pattern.to_owned())) } else { Ok(found) }
    }
}

/// Patterns that are separated by commas, white space around them aside.
impl FromStr for EventTypes {
    type Err = UnknownEventType;

    fn from_str(text: &str) -> Result<Self, UnknownEventType> {
        let patterns = text.split(',').map(|pattern| Self::of_pattern(pattern.trim()));
        patterns
            .reduce(|all, more| Ok(Self(all?.0 | more?.0)))
            .unwrap_or_else(|| Err(UnknownEventType(text.to_owned())))
    }
}

/// `*`, or the names.
impl fmt::Display for EventTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("*");
        }
        let among = EventType::TABLE.into_iter().filter(|(event_type, _)| self.contains(*event_type));
        f.write_str(&among.map(|(_, name)| name).collect::<Vec<_>>().join(","))
    }
}

named! {
    /// Whose doing something was.
    EventActor:
    /// The user's own, or that of somebody who had a token of theirs.
    Own "self",
    /// Staff's.
    Staff "staff",
    /// The operator's.
    Operator "operator",
    /// Nobody's in particular: a rule has made it so.
    System "system",
}

impl EventActor {
    /// Whose doing it was that this one did to that one, and ended sessions for a reason, if it did.
    pub fn of(by: Actor, user: Option<UserId>, reason: Option<EndReason>) -> Self {
        match (by, reason) {
            (_, Some(reason)) if reason.is_of_a_rule() => Self::System,
            (Actor::User(by), _) if user == Some(by) => Self::Own,
            (Actor::User(_), _) => Self::Staff,
            (Actor::CommandLine, _) => Self::Operator,
            (Actor::Stranger, Some(_)) => Self::Own,
            (Actor::Stranger, None) | (Actor::System, _) => Self::System,
        }
    }
}

/// What events of some types say besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventDetail {
    /// Nothing.
    None,
    /// Why sessions have ended.
    End(EndReason),
    /// Which kill switch is on or off from now on.
    Switch(KillSwitch, bool),
    /// Of which kind a second factor is.
    Factor(FactorKind),
    /// Whether the user is staff from now on.
    Staff(bool),
    /// That a login was completed with a device that the account had not been used with of late.
    NewDevice,
}

/// What personal data an event says, to who may be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonalData {
    /// The address that it was done from.
    pub client_ip: Option<IpAddr>,
    /// Who did it, where it was a user.
    pub actor: Option<UserId>,
    /// What the user is called now; was called, where the account is deleted.
    pub username: Option<String>,
    /// The user agent that a session was opened with.
    pub user_agent: Option<String>,
}

/// What an event says. What does not apply is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventData {
    /// Whom it is about.
    pub user: Option<UserId>,
    /// The same by the identity id of the Kratos dialect.
    pub user_uuid: Option<UserUuid>,
    /// Which session it is about.
    pub session: Option<SessionUuid>,
    /// The same by its id among its user's.
    pub session_id: Option<SessionId>,
    /// When that session expires by itself.
    pub expires_at: Option<Timestamp>,
    /// Of the end of all sessions: the one that stays.
    pub kept_session: Option<SessionUuid>,
    /// Whose doing it was.
    pub by: EventActor,
    /// What there is to say besides.
    pub detail: EventDetail,
    /// Personal data, where they were asked for.
    pub personal: Option<PersonalData>,
}

/// Something that other services are told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the feed, which it is called by for ever.
    pub cursor: EventCursor,
    /// What has happened.
    pub event_type: EventType,
    /// When.
    pub at: Timestamp,
    /// To whom, and what.
    pub data: EventData,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_survives_printing_and_parsing(number in 0..i64::MAX, nonce in any::<i64>()) {
            let cursor = EventCursor { number, nonce };
            prop_assert_eq!(cursor.to_string().parse::<EventCursor>(), Ok(cursor));
        }

        #[test]
        fn parsing_a_cursor_never_panics_and_accepts_one_spelling(text in "[0-9a-f+-]{0,40}|.{0,24}") {
            if let Ok(cursor) = text.parse::<EventCursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let good = EventCursor { number: 7, nonce: -1 };
        assert_eq!("7-ffffffffffffffff".parse(), Ok(good));
        for text in [
            "",
            "7",
            "7-",
            "-",
            "-7-ffffffffffffffff",
            "07-ffffffffffffffff",
            "+7-ffffffffffffffff",
            "7-FFFFFFFFFFFFFFFF",
            "7-fffffffffffffff",
            "7-fffffffffffffffff",
            "7-+fffffffffffffff",
            "latest",
        ] {
            assert_eq!(text.parse::<EventCursor>(), Err(InvalidEventCursor), "{text}");
        }
    }

    #[test]
    fn types_are_named_one_by_one_or_by_what_stands_before_the_dot() {
        let types = |text: &str| text.parse::<EventTypes>().map(|types| types.to_string());
        for (text, named) in [
            ("session.ended", "session.ended"),
            ("session.*", "session.created,session.stepped_up,session.extended,session.ended"),
            (" user.banned , session.ended", "session.ended,user.banned"),
            ("factor.*,factor.added", "factor.added,factor.removed"),
            ("sessions.*", "sessions.ended"),
            ("*", "*"),
        ] {
            assert_eq!(types(text).as_deref(), Ok(named), "{text}");
        }
        for (text, unknown) in [
            ("", ""),
            ("session", "session"),
            ("session*", "session*"),
            ("sess.*", "sess.*"),
            (".*", ".*"),
            ("**", "**"),
            ("session.ended,", ""),
            ("Session.ended", "Session.ended"),
            ("session.ended,x,y", "x"),
        ] {
            assert_eq!(types(text), Err(UnknownEventType(unknown.to_owned())), "{text}");
        }
        assert!(EventType::TABLE.into_iter().all(|(event_type, _)| EventTypes::ALL.contains(event_type)));
    }

    #[test]
    fn every_type_has_a_kind_of_record_that_tells_of_it() {
        for (event_type, name) in EventType::TABLE {
            let one: EventTypes = name.parse().unwrap();
            assert!(one.kinds().count() > 0 && one.contains(event_type), "{name}");
        }
    }

    #[test]
    fn it_is_said_whose_doing_something_was() {
        let [ada, eve] = [1, 2].map(UserId::from_number);
        for (by, user, reason, expected) in [
            (Actor::User(ada), Some(ada), None, "self"),
            (Actor::User(ada), Some(ada), Some(EndReason::Revoked), "self"),
            (Actor::User(eve), Some(ada), Some(EndReason::RevokedByStaff), "staff"),
            (Actor::User(eve), None, None, "staff"),
            (Actor::CommandLine, Some(ada), Some(EndReason::Operator), "operator"),
            (Actor::Stranger, Some(ada), Some(EndReason::RevokedByHolder), "self"),
            (Actor::Stranger, Some(ada), None, "system"),
            (Actor::User(ada), Some(ada), Some(EndReason::Cap), "system"),
            (Actor::System, Some(ada), Some(EndReason::Idle), "system"),
        ] {
            assert_eq!(EventActor::of(by, user, reason).name(), expected);
        }
    }
}
