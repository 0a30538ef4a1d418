//! The settings that the use cases depend on (`docs/CONFIGURATION.md`).

use std::time::Duration;

use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::policy::SessionPolicy;
use thunderhead_domain::session::Dialect;
use thunderhead_domain::user::User;

/// How long sessions live, in seconds (`docs/MODEL.md`, *Lifetimes*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// A login of the current dialect, and a registration.
    pub login: i64,
    /// The same with `rememberMe`.
    pub login_remembered: i64,
    /// A scoped session.
    pub scoped: i64,
    /// The same with `longLived`.
    pub scoped_long: i64,
    /// A login of the legacy dialect, without `rememberMe`.
    pub legacy: i64,
    /// A login of the Kratos dialect.
    pub kratos: i64,
    /// A login on the pages.
    pub pages: i64,
    /// The same where somebody stays signed in.
    pub pages_remembered: i64,
}

impl Lifetimes {
    /// How long the session of a login lives, or of a registration, in seconds.
    pub(crate) const fn of_login(&self, dialect: Dialect, remember: bool) -> i64 {
        match (dialect, remember) {
            (Dialect::Kratos, _) => self.kratos,
            (Dialect::Current | Dialect::Legacy, true) => self.login_remembered,
            (Dialect::Legacy, false) => self.legacy,
            (Dialect::Pages, true) => self.pages_remembered,
            (Dialect::Pages, false) => self.pages,
            (Dialect::Current, false) => self.login,
        }
    }
}

/// How long the scoped sessions of somebody may live, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopedLifetimes {
    /// Where nothing is asked for.
    pub ordinary: i64,
    /// With `longLived`.
    pub long: i64,
    /// At most, whatever is asked for.
    pub longest: i64,
}

/// What a wrong login tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginErrors {
    /// Whether it was the name or the password.
    Detailed,
    /// Nothing: both answer as an unknown user.
    Uniform,
}

/// Whether strangers may make accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// They may.
    Open,
    /// Only the operator may.
    Closed,
}

/// The settings that the use cases depend on.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How long sessions live.
    pub lifetimes: Lifetimes,
    /// What else ends them, and how many there may be.
    pub sessions: SessionPolicy,
    /// For how many seconds a session is confirmed in which all was shown that its account asks for.
    pub confirm_for: i64,
    /// What a wrong login tells.
    pub login_errors: LoginErrors,
    /// Whether strangers may make accounts.
    pub registration: Registration,
    /// Whether staff endpoints ask for a second factor.
    pub staff_factor: StaffFactor,
    /// How long an attempt waits for its turn at an account.
    pub account_lock_timeout: Duration,
    /// How long an attempt at a password waits in all: for its turn, and then for a thread that hashes.
    pub attempt_timeout: Duration,
}

/// How sessions are cached (`docs/ARCHITECTURE.md`, *Fast and never stale*).
#[derive(Clone, Copy, Debug)]
pub struct CacheSettings {
    /// The bytes that cached sessions may take; 0 is to read every session anew.
    pub bytes: u64,
    /// For how many milliseconds a change elsewhere may go unnoticed; 0 is never.
    pub max_staleness_millis: i64,
    /// How far from each other the reads begin at most by which many requests learn what has changed.
    pub longest_spacing: Duration,
    /// How long a request waits to learn what has changed.
    pub deadline: Duration,
}

impl Policy {
    /// How long scoped sessions of a user may live.
    pub const fn scoped_lifetimes(&self, user: &User) -> ScopedLifetimes {
        ScopedLifetimes {
            ordinary: self.lifetimes.scoped,
            long: self.lifetimes.scoped_long,
            longest: self.sessions.of(user.staff).token_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::policy;

    #[test]
    fn a_login_lives_as_long_as_its_dialect_and_its_user_say() {
        let lifetimes = policy().lifetimes;
        for (dialect, ordinary, remembered) in [
            (Dialect::Current, 1_000, 2_000),
            (Dialect::Legacy, 5_000, 2_000),
            (Dialect::Kratos, 6_000, 6_000),
            (Dialect::Pages, 7_000, 8_000),
        ] {
            assert_eq!(lifetimes.of_login(dialect, false), ordinary, "{dialect:?}");
            assert_eq!(lifetimes.of_login(dialect, true), remembered, "{dialect:?}");
        }
    }
}
