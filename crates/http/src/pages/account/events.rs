//! What was done to an account, in words.

use maud::{Markup, html};
use thunderhead_domain::audit::{AuditKind, AuditRecord};
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::session::EndReason;
use thunderhead_domain::time::Timestamp;

use crate::pages::layout::brief_table;
use crate::pages::words::{NEW_DEVICE, actor, end_reason, time};

pub(super) fn shown(events: &[AuditRecord], principal: &Principal, now: Timestamp) -> Markup {
    let row = |event: &AuditRecord| {
        vec![
            html! {
                (words(event.kind))
                @if event.new_device { " " span.tag { (NEW_DEVICE) } }
                @if let Some(detail) = detail(event) { small { (detail) } }
            },
            time(event.action.at, now),
            html! { (actor(event.action.by, principal)) },
            html! { @match event.action.client_ip { Some(address) => { span.break { (address) } } None => { "–" } } },
        ]
    };
    let rows: Vec<_> = events.iter().map(row).collect();
    html! {
        h2 { "What happened" }
        @if rows.is_empty() {
            p.empty { "Nothing yet. Sign-ins and changes of this account stand here, newest first." }
        } @else {
            (brief_table("What happened to this account", &["Event", "When", "By", "From"], &rows))
        }
    }
}

/// Details that say more to people: reasons of staff are their own business.
fn detail(event: &AuditRecord) -> Option<&str> {
    match event.kind {
        AuditKind::AccountRenamed | AuditKind::FactorAdded | AuditKind::FactorRemoved | AuditKind::LoginsFailed => {
            event.detail.as_deref()
        }
        AuditKind::SessionEnded => event.detail.as_deref().and_then(EndReason::from_name).map(end_reason),
        _ => None,
    }
}

const fn words(kind: AuditKind) -> &'static str {
    match kind {
        AuditKind::AccountCreated => "The account was made",
        AuditKind::AccountRenamed => "The user name was changed",
        AuditKind::EmailChanged => "The e-mail address was changed",
        AuditKind::PasswordChanged => "The password was changed",
        AuditKind::AccountVerified => "The e-mail address was found to be yours",
        AuditKind::AccountUnverified => "The e-mail address no longer counts as yours",
        AuditKind::AccountBanned => "The account was banned",
        AuditKind::AccountUnbanned => "The ban was lifted",
        AuditKind::StaffGranted => "Staff rights were given",
        AuditKind::StaffRevoked => "Staff rights were taken",
        AuditKind::AccountDeleted => "The account was deleted",
        AuditKind::FactorAdded => "A second factor was added",
        AuditKind::FactorRemoved => "A second factor was removed",
        AuditKind::BackupCodesRenewed => "New backup codes were made",
        AuditKind::LoggedIn => "Signed in",
        AuditKind::AttemptedBeyondBudget => "One more wrong attempt after many",
        AuditKind::ScopedSessionIssued => "A token was made",
        AuditKind::SessionSteppedUp => "A second factor was shown",
        AuditKind::SessionExtended => "A session was made to last longer",
        AuditKind::SessionEnded => "A session was ended",
        AuditKind::SessionsEnded => "Very many sessions were ended",
        AuditKind::AccountUnlocked => "Failed attempts were forgotten",
        AuditKind::LoginsFailed => "Failed sign-ins",
        AuditKind::SessionConfirmed => "Confirmed that it is you",
        AuditKind::LinkMade => "A link to set a password was made",
        AuditKind::LinkUsed => "A link to set a password was used",
        AuditKind::LinkExpired => "A link to set a password ran out",
        AuditKind::AccountImported => "The account came from another server",
        AuditKind::SessionsImported => "Sessions came from another server",
        // These are nobody's.
        AuditKind::SwitchOn
        | AuditKind::SwitchOff
        | AuditKind::KeyRotated
        | AuditKind::SecretsResealed
        | AuditKind::ServiceCreated
        | AuditKind::ServiceRevoked
        | AuditKind::WebhookAdded
        | AuditKind::WebhookRemoved
        | AuditKind::WebhookRotated
        | AuditKind::WebhookResumed
        | AuditKind::ImportFinished
        | AuditKind::DatabaseRestored => "The server was changed",
    }
}
