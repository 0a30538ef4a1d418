//! How pages say times and what sessions are like.

use maud::{Markup, html};
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::factor::{Factor, FactorKind};
use thunderhead_domain::session::{Actor, Authentication, Dialect, EndReason, Method, Session};
use thunderhead_domain::time::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// A twelfth of a year, and a year of 365.25 days.
const MONTH: i64 = 2_629_800;
const YEAR: i64 = 12 * MONTH;

/// The units that a span is said in, each with how long a span must be for it.
const UNITS: [(i64, i64, &str); 5] = [
    (2 * YEAR, YEAR, "year"),
    (2 * MONTH, MONTH, "month"),
    (2 * DAY, DAY, "day"),
    (HOUR, HOUR, "hour"),
    (MINUTE, MINUTE, "minute"),
];

/// What is said of a login with a device that the account had not been used with of late.
pub(crate) const NEW_DEVICE: &str = "new device";

/// A moment as people say it, with the moment itself for who wants to know.
pub(crate) fn time(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(exact(at)) { (relative(at, now)) } }
}

/// The same where there may be none.
pub(crate) fn time_or(at: Option<Timestamp>, now: Timestamp, otherwise: &str) -> Markup {
    match at {
        Some(at) => time(at, now),
        None => html! { (otherwise) },
    }
}

/// `2026-01-31 12:00:00 UTC`
fn exact(at: Timestamp) -> String {
    let text = at.to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {} UTC", time.get(..8).unwrap_or(time))
}

fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.unix_seconds().saturating_sub(at.unix_seconds());
    let span = seconds.saturating_abs();
    let Some((_, unit, name)) = UNITS.into_iter().find(|(least, ..)| span >= *least) else {
        return if seconds < 0 { "in a moment" } else { "just now" }.to_owned();
    };
    let count = counted(span / unit, name);
    if seconds < 0 { format!("in {count}") } else { format!("{count} ago") }
}

/// `1 session`, `2 sessions`
pub(crate) fn counted(count: i64, name: &str) -> String {
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// What a session was opened with.
pub(crate) const fn dialect(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Current => "API",
        Dialect::Legacy => "legacy API",
        Dialect::Kratos => "Kratos API",
        Dialect::Pages => "these pages",
    }
}

/// What somebody has shown.
pub(crate) const fn method(method: Method) -> &'static str {
    match method {
        Method::Password => "password",
        Method::Totp => "authenticator code",
        Method::Webauthn => "security key",
        Method::LookupSecret => "backup code",
        Method::Passkey => "passkey",
    }
}

/// What a second factor is.
pub(crate) const fn factor_kind(factor: &Factor) -> &'static str {
    match (factor.kind, factor.synced) {
        (FactorKind::Totp, _) => "authenticator app",
        (FactorKind::Webauthn, _) => "security key",
        (FactorKind::Passkey, false) => "passkey",
        (FactorKind::Passkey, true) => "passkey, on all your devices",
    }
}

/// Who did something to somebody's own account.
pub(crate) fn actor(actor: Actor, principal: &Principal) -> &'static str {
    match actor {
        Actor::User(user) if user == principal.user().id => "you",
        Actor::User(_) => "staff",
        Actor::CommandLine => "those who run this site",
        Actor::Stranger => "somebody who was not signed in",
        Actor::System => "this site",
    }
}

/// Why a session of one's own ended.
pub(crate) const fn end_reason(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Revoked => "signed out, or ended in a list of sessions",
        EndReason::RevokedByHolder => "ended by somebody who had its token",
        EndReason::RevokedByStaff => "ended by staff",
        EndReason::Banned => "the account was banned",
        EndReason::PasswordChanged => "the password was changed",
        EndReason::StaffChanged => "staff rights were given or taken",
        EndReason::Operator => "ended from the command line",
        EndReason::Cap => "too many sessions at once: this was the one longest not used",
        EndReason::Idle => "not used for too long",
        EndReason::Absolute => "as old as a session may become: sign in again",
    }
}

/// What a session rests on.
pub(crate) fn proofs(session: &Session) -> String {
    let words: Vec<_> =
        session.authentications.iter().map(|Authentication { method: shown, .. }| method(*shown)).collect();
    if words.is_empty() { "an account that was made with it".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_the_unit_that_people_would_take() {
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (-30, "in a moment"),
            (60, "1 minute ago"),
            (119, "1 minute ago"),
            (3_599, "59 minutes ago"),
            (3_600, "1 hour ago"),
            (2 * DAY - 1, "47 hours ago"),
            (2 * DAY, "2 days ago"),
            (2 * MONTH - 1, "60 days ago"),
            (2 * MONTH, "2 months ago"),
            (2 * YEAR - 1, "23 months ago"),
            (10 * YEAR, "10 years ago"),
            (-10 * YEAR, "in 10 years"),
            (-90 * MINUTE, "in 1 hour"),
            (i64::MAX, "292471 years ago"),
        ] {
            let at = Timestamp::from_unix_seconds(now.unix_seconds().saturating_sub(seconds));
            let said = relative(at, now);
            assert!(said == text || seconds == i64::MAX, "{seconds}: {said}");
        }
    }

    #[test]
    fn the_moment_itself_stands_beside_it() {
        let at = Timestamp::from_unix_millis(1_687_067_614_042);
        assert_eq!(
            time(at, at).into_string(),
            "<time datetime=\"2023-06-18T05:53:34.042Z\" title=\"2023-06-18 05:53:34 UTC\">just now</time>"
        );
    }
}
