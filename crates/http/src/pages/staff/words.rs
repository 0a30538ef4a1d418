//! How the pages of staff say what happened.

use std::borrow::Cow;

use thunderhead_domain::audit::{AuditKind, AuditRecord};
use thunderhead_domain::id::UserId;
use thunderhead_domain::scope::{Scope, ScopeSet};
use thunderhead_domain::session::{Actor, End, EndReason, SessionStatus};
use thunderhead_domain::switch::KillSwitch;

/// What a kind of record tells.
pub(super) const fn kind(kind: AuditKind) -> &'static str {
    match kind {
        AuditKind::AccountCreated => "Account made",
        AuditKind::AccountRenamed => "Renamed",
        AuditKind::EmailChanged => "E-mail address changed",
        AuditKind::PasswordChanged => "Password changed",
        AuditKind::AccountVerified => "Address verified",
        AuditKind::AccountUnverified => "Address no longer verified",
        AuditKind::AccountBanned => "Banned",
        AuditKind::AccountUnbanned => "Ban lifted",
        AuditKind::StaffGranted => "Made staff",
        AuditKind::StaffRevoked => "No longer staff",
        AuditKind::AccountDeleted => "Account deleted",
        AuditKind::FactorAdded => "Second factor added",
        AuditKind::FactorRemoved => "Second factor removed",
        AuditKind::BackupCodesRenewed => "Backup codes renewed",
        AuditKind::LoggedIn => "Signed in",
        AuditKind::AttemptedBeyondBudget => "Attempt beyond the failure budget",
        AuditKind::ScopedSessionIssued => "Token made",
        AuditKind::SessionSteppedUp => "Second factor shown",
        AuditKind::SessionExtended => "Session extended",
        AuditKind::SessionEnded => "Session ended",
        AuditKind::SessionsEnded => "Sessions ended",
        AuditKind::SwitchOn => "Kill switch shut",
        AuditKind::SwitchOff => "Kill switch opened",
        AuditKind::KeyRotated => "Signing key made",
        AuditKind::SecretsResealed => "Secrets encrypted anew",
        AuditKind::ServiceCreated => "Service made known",
        AuditKind::ServiceRevoked => "Service revoked",
        AuditKind::DatabaseRestored => "Database restored",
        AuditKind::AccountUnlocked => "Failures forgotten",
        AuditKind::LoginsFailed => "Failed logins",
        AuditKind::LinkMade => "One-time link made",
        AuditKind::LinkUsed => "One-time link used",
        AuditKind::LinkExpired => "One-time link expired",
        AuditKind::SessionConfirmed => "Session confirmed",
        AuditKind::WebhookAdded => "Webhook added",
        AuditKind::WebhookRemoved => "Webhook removed",
        AuditKind::WebhookRotated => "Webhook’s secret replaced",
        AuditKind::WebhookResumed => "Webhook sent again",
        AuditKind::AccountImported => "Account imported",
        AuditKind::SessionsImported => "Sessions imported",
        AuditKind::ImportFinished => "Import finished",
    }
}

/// How it stands with a session.
pub(super) const fn status(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Live => "live",
        SessionStatus::SecondFactorPending => "second factor pending",
        SessionStatus::Ended => "ended",
        SessionStatus::Expired => "expired",
    }
}

/// Who did something, where that is no user.
pub(super) const fn nobody(actor: Actor) -> Result<UserId, &'static str> {
    match actor {
        Actor::User(user) => Ok(user),
        Actor::CommandLine => Err("the command line"),
        Actor::Stranger => Err("a stranger"),
        Actor::System => Err("the server"),
    }
}

/// By whom and why a session ended.
pub(super) fn end(end: End) -> String {
    let why = why(end.why);
    match (end.why, nobody(end.by)) {
        (EndReason::RevokedByStaff | EndReason::Banned | EndReason::StaffChanged, Ok(user)) => {
            format!("{why} ({user})")
        }
        _ => why.to_owned(),
    }
}

const fn why(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Revoked => "by its user",
        EndReason::RevokedByHolder => "by somebody who had its token",
        EndReason::RevokedByStaff => "by staff",
        EndReason::Banned => "its user was banned",
        EndReason::PasswordChanged => "the password was changed",
        EndReason::StaffChanged => "staff rights changed",
        EndReason::Operator => "by the command line",
        EndReason::Cap => "its user had too many",
        EndReason::Idle => "not used for long",
        EndReason::Absolute => "as old as it may be",
    }
}

/// Why something was done, or what exactly.
pub(super) fn detail(record: &AuditRecord) -> Cow<'_, str> {
    let detail = record.detail.as_deref().unwrap_or_default();
    let in_words = |name: &str| EndReason::from_name(name).map(why);
    let said = match record.kind {
        AuditKind::SessionEnded => in_words(detail).map(Cow::from),
        AuditKind::SessionsEnded => detail
            .split_once(' ')
            .and_then(|(count, name)| in_words(name).map(|why| Cow::from(format!("{count}, {why}")))),
        _ => None,
    };
    said.unwrap_or(Cow::from(detail))
}

/// What a token may do.
pub(super) fn scopes(scopes: ScopeSet) -> String {
    scopes.iter().map(Scope::name).collect::<Vec<_>>().join(", ")
}

/// What a kill switch shuts.
pub(super) const fn shuts(switch: KillSwitch) -> &'static str {
    match switch {
        KillSwitch::AccountCreate => "Registration.",
        KillSwitch::AccountModify => {
            "Changes to accounts, and ending sessions and changing second factors by their users."
        }
        KillSwitch::AccountDelete => "The deletion of accounts by their users.",
        KillSwitch::AccountEmailVerify => "Mails that verify an address.",
        KillSwitch::AccountLogin => "Signing in, and new tokens. Staff still get in.",
        KillSwitch::FileCreate => "New files, in the services that handle files.",
        KillSwitch::FileModify => "Changes to files, in the services that handle files.",
        KillSwitch::FileDelete => "The deletion of files, in the services that handle files.",
        KillSwitch::Global => "Everything, for everybody but staff.",
    }
}
