//! The audit trail: who did what to whom, when, from where and why. A record never holds a secret.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::id::{SessionUuid, UserId};
use crate::named::named;
use crate::session::{Actor, End, EndReason};
use crate::time::Timestamp;

/// Somebody doing something: what every change is made with, and recorded by in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionContext {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
    /// From which address, where there is one.
    pub client_ip: Option<IpAddr>,
}

impl ActionContext {
    /// The end that this action puts to sessions.
    pub const fn end(&self, why: EndReason) -> End {
        End { at: self.at, by: self.by, why }
    }
}

named! {
    /// What was done.
    AuditKind:
    /// An account was made, by its user or by the operator.
    AccountCreated "account-created",
    /// A user got another name.
    AccountRenamed "account-renamed",
    /// A user got another e-mail address.
    EmailChanged "email-changed",
    /// A password was set, which ends sessions.
    PasswordChanged "password-changed",
    /// An e-mail address was found to be its user's.
    AccountVerified "account-verified",
    /// An e-mail address no longer counts as its user's.
    AccountUnverified "account-unverified",
    /// A user was banned, which ends their sessions.
    AccountBanned "account-banned",
    /// A ban was lifted.
    AccountUnbanned "account-unbanned",
    /// A user became staff.
    StaffGranted "staff-granted",
    /// A user is no longer staff.
    StaffRevoked "staff-revoked",
    /// An account was deleted with all that belonged to it.
    AccountDeleted "account-deleted",
    /// A second factor was enrolled.
    FactorAdded "factor-added",
    /// A second factor was removed.
    FactorRemoved "factor-removed",
    /// New backup codes were made, which voids the old ones.
    BackupCodesRenewed "backup-codes-renewed",
    /// A login was completed.
    LoggedIn "logged-in",
    /// An attempt that was checked although its failure budget was used up: it had waited long enough.
    AttemptedBeyondBudget "guessed-beyond-budget",
    /// A scoped session was opened.
    ScopedSessionIssued "scoped-session-issued",
    /// A session's pending second factor was shown, or one was shown again.
    SessionSteppedUp "session-stepped-up",
    /// A session was made to last longer.
    SessionExtended "session-extended",
    /// One session was ended before it expired.
    SessionEnded "session-ended",
    /// Very many sessions at once, of one user or of all: one record that says how many.
    SessionsEnded "sessions-ended",
    /// A kill switch was turned on.
    SwitchOn "switch-on",
    /// A kill switch was turned off.
    SwitchOff "switch-off",
    /// A new signing key was made.
    KeyRotated "key-rotated",
    /// Secrets were encrypted anew, under another key: one record for all.
    SecretsResealed "secrets-resealed",
    /// A service was given a secret.
    ServiceCreated "service-created",
    /// A service's secret was revoked.
    ServiceRevoked "service-revoked",
    /// The database was replaced by a backup of it.
    DatabaseRestored "database-restored",
    /// All failures at an account were forgotten, by the operator.
    AccountUnlocked "account-unlocked",
    /// Failed logins of ten minutes at one account, or at names that nobody has, from one address: one record for all.
    LoginsFailed "logins-failed",
    /// A one-time link was made.
    LinkMade "link-made",
    /// A one-time link was used, which sets a password.
    LinkUsed "link-used",
    /// A one-time link that nobody had used was forgotten.
    LinkExpired "link-expired",
    /// A session's user has shown again who they are, and its token was replaced.
    SessionConfirmed "session-confirmed",
    /// An endpoint of webhooks was added.
    WebhookAdded "webhook-added",
    /// An endpoint of webhooks was removed.
    WebhookRemoved "webhook-removed",
    /// An endpoint of webhooks was given another secret.
    WebhookRotated "webhook-rotated",
    /// An endpoint of webhooks was tried again at once, as the operator wanted.
    WebhookResumed "webhook-resumed",
    /// An account came from another program, with its sessions and second factors.
    AccountImported "account-imported",
    /// Sessions of an account that had come before came from another program.
    SessionsImported "sessions-imported",
    /// A run of an import came to its end: one record that says what came.
    ImportFinished "import-finished",
}

impl fmt::Display for AuditKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of audit record")]
pub struct UnknownKind;

impl FromStr for AuditKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::from_name(text).ok_or(UnknownKind)
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number: later records have higher ones.
    pub number: i64,
    /// Who did it, when, from where.
    pub action: ActionContext,
    /// What.
    pub kind: AuditKind,
    /// To whom; the account may be gone by now.
    pub user: Option<UserId>,
    /// To which session.
    pub session: Option<SessionUuid>,
    /// Why, or what exactly: a reason, a switch's name, a number of sessions.
    pub detail: Option<String>,
    /// Whether a login was completed with a device that the account had not been used with of late.
    pub new_device: bool,
}

/// Which records are asked for: those that fit all that is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Done to this user.
    pub user: Option<UserId>,
    /// Done by them.
    pub by: Option<Actor>,
    /// Of this kind.
    pub kind: Option<AuditKind>,
    /// At or after this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Done from this address.
    pub client_ip: Option<IpAddr>,
}

impl AuditFilter {
    /// Whether a record is asked for.
    pub fn fits(&self, record: &AuditRecord) -> bool {
        let AuditRecord { action, kind, user, .. } = record;
        self.user.is_none_or(|wanted| *user == Some(wanted))
            && self.by.is_none_or(|wanted| action.by == wanted)
            && self.kind.is_none_or(|wanted| *kind == wanted)
            && self.since.is_none_or(|since| action.at >= since)
            && self.until.is_none_or(|until| action.at < until)
            && self.client_ip.is_none_or(|wanted| action.client_ip == Some(wanted))
    }
}

/// A place in the order of the records, newest first: by moment, and of one moment by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditCursor {
    /// When the record there was made.
    pub at: Timestamp,
    /// Its number.
    pub number: i64,
}

impl From<&AuditRecord> for AuditCursor {
    fn from(record: &AuditRecord) -> Self {
        Self { at: record.action.at, number: record.number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_kinds_is_in_the_order_of_declaration() {
        for (index, (kind, name)) in AuditKind::TABLE.into_iter().enumerate() {
            assert_eq!((kind as usize, kind.name()), (index, name));
            assert_eq!((kind.to_string().as_str(), name.parse()), (name, Ok(kind)));
        }
        assert_eq!("".parse::<AuditKind>(), Err(UnknownKind));
    }

    #[test]
    fn a_record_is_asked_for_where_it_fits_all_that_is_given() {
        let [ada, eve] = [1, 2].map(UserId::from_number);
        let at = Timestamp::from_unix_seconds;
        let [here, there] = ["192.0.2.7", "192.0.2.8"].map(|address| address.parse().ok());
        let record = AuditRecord {
            number: 7,
            action: ActionContext { at: at(10), by: Actor::User(eve), client_ip: here },
            kind: AuditKind::AccountBanned,
            user: Some(ada),
            session: None,
            detail: None,
            new_device: false,
        };
        let all = AuditFilter {
            user: Some(ada),
            by: Some(Actor::User(eve)),
            kind: Some(AuditKind::AccountBanned),
            since: Some(at(10)),
            until: Some(at(11)),
            client_ip: here,
        };
        assert!(AuditFilter::default().fits(&record) && all.fits(&record));
        for other in [
            AuditFilter { user: Some(eve), ..all },
            AuditFilter { by: Some(Actor::User(ada)), ..all },
            AuditFilter { kind: Some(AuditKind::AccountUnbanned), ..all },
            AuditFilter { since: Some(at(11)), ..all },
            AuditFilter { until: Some(at(10)), ..all },
            AuditFilter { client_ip: there, ..all },
        ] {
            assert!(!other.fits(&record), "{other:?}");
        }
    }
}
