//! What the use cases measure, known by name before there is anything to measure: an increase from nothing cannot be
//! seen. Where nobody reads measurements, all of this does nothing.

use metrics::{Counter, Gauge, counter, gauge};

/// How an attempt to log in ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginOutcome {
    Success,
    UnknownUser,
    WrongPassword,
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
    const ALL: [Self; 11] = [
        Self::Success,
        Self::UnknownUser,
        Self::WrongPassword,
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
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
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

/// Makes all of them known. What belongs to the pool for hashing is known since that was started.
pub(crate) fn register() {
    drop(LoginOutcome::ALL.map(LoginOutcome::counter));
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
