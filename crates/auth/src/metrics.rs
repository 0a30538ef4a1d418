//! What the use cases measure, known by name before there is anything to measure: an increase from nothing cannot be
//! seen. Where nobody reads measurements, all of this does nothing.

use metrics::{Counter, Gauge, counter, gauge};
use thunderhead_domain::switch::{KillSwitch, SwitchSet};
use thunderhead_domain::webhook::{Webhook, WebhookCondition};

/// How an attempt to log in ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginOutcome {
    Success,
    PasskeySuccess,
    UnknownUser,
    WrongPassword,
    WrongPasskey,
    Banned,
    TooManySessions,
    Throttled,
    SwitchedOff,
    Challenged,
    SecondFactor,
    Busy,
    Internal,
}

impl LoginOutcome {
    /// All of them.
    const ALL: [Self; 13] = [
        Self::Success,
        Self::PasskeySuccess,
        Self::UnknownUser,
        Self::WrongPassword,
        Self::WrongPasskey,
        Self::Banned,
        Self::TooManySessions,
        Self::Throttled,
        Self::SwitchedOff,
        Self::Challenged,
        Self::SecondFactor,
        Self::Busy,
        Self::Internal,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::PasskeySuccess => "passkey_success",
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::WrongPasskey => "wrong_passkey",
            Self::Banned => "banned",
            Self::TooManySessions => "too_many_sessions",
            Self::Throttled => "throttled",
            Self::SwitchedOff => "switched_off",
            Self::Challenged => "challenged",
            Self::SecondFactor => "second_factor",
            Self::Busy => "busy",
            Self::Internal => "fault",
        }
    }

    /// What it is called where a passkey was to show all.
    pub(crate) const fn by_passkey(self) -> Self {
        match self {
            Self::Success => Self::PasskeySuccess,
            Self::SecondFactor => Self::WrongPasskey,
            other => other,
        }
    }

    /// The counter of logins that ended like this.
    pub(crate) fn counter(self) -> Counter {
        counter!("thunderhead_logins_total", "outcome" => self.name())
    }
}

/// Counts sessions that were looked up: found in memory, or read from the database.
pub(crate) fn lookups(from: &'static str) -> Counter {
    counter!("thunderhead_session_lookups_total", "from" => from)
}

/// Counts questions for what has changed.
pub(crate) fn freshness_reads() -> Counter {
    counter!("thunderhead_freshness_reads_total")
}

/// Whether the database takes changes.
pub(crate) fn takes_changes() -> Gauge {
    gauge!("thunderhead_database_takes_changes")
}

/// Which kill switches are on.
pub(crate) fn kill_switches(on: SwitchSet) {
    for (switch, name) in KillSwitch::TABLE {
        gauge!("thunderhead_kill_switch_on", "switch" => name).set(f64::from(u8::from(on.is_on(switch))));
    }
}

/// What came of an attempt to deliver an event to an endpoint of webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WebhookOutcome {
    Delivered,
    Failed,
    Gone,
}

impl WebhookOutcome {
    /// All of them.
    const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::Gone];

    const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }

    /// The counter of attempts that ended like this.
    pub(crate) fn counter(self) -> Counter {
        counter!("thunderhead_webhook_deliveries_total", "outcome" => self.name())
    }
}

/// How it stands with the endpoints.
pub(crate) fn webhooks(all: &[Webhook]) {
    for condition in WebhookCondition::ALL {
        let number = all.iter().filter(|webhook| webhook.progress.state.condition() == condition).count();
        // There are no more than a hundred.
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        gauge!("thunderhead_webhooks", "state" => condition.name()).set(f64::from(number));
    }
}

/// How many events the endpoint that is furthest behind has still to come to.
pub(crate) fn webhook_events_behind(events: i64) {
    gauge!("thunderhead_webhook_events_behind").set(events as f64);
}

/// Makes all of them known. What belongs to the pool for hashing is known since that was started.
pub(crate) fn register() {
    drop(LoginOutcome::ALL.map(LoginOutcome::counter));
    drop(WebhookOutcome::ALL.map(WebhookOutcome::counter));
    webhooks(&[]);
    webhook_events_behind(0);
    kill_switches(SwitchSet::NONE);
    drop((lookups("cache"), lookups("database"), freshness_reads()));
    // Migrations may have written a moment ago, and the first check is not far.
    takes_changes().set(1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_made_known() {
        // In the order of declaration, without a gap, to the last one.
        assert!(LoginOutcome::ALL.iter().enumerate().all(|(index, outcome)| *outcome as usize == index));
        assert_eq!(LoginOutcome::ALL.last(), Some(&LoginOutcome::Internal));
    }
}
