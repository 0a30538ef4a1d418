//! Failed logins, as the audit trail tells of them: counted for ten minutes for each account and address, and then one
//! record, so that a flood leaves a trace and fills no disk.

use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr};

use crate::audit::ActionContext;
use crate::id::UserId;
use crate::label::cleaned;
use crate::session::Actor;
use crate::time::Timestamp;

/// For how long failures are counted together, in seconds.
pub const WINDOW_SECONDS: i64 = 10 * 60;
/// How many counts are open at most; what comes on top of them is counted as one.
pub const MOST_OPEN: usize = 10_000;
/// The longest user agent in a record, in characters.
const LONGEST_AGENT: usize = 128;

/// Where a login was to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LoginTarget {
    /// To this account.
    Account(UserId),
    /// To a name that nobody has: all of those are one.
    UnknownName,
    /// Anywhere: there were too many to tell them apart.
    Others,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginFailure {
    /// The password was wrong, or nobody has the name.
    Password,
    /// The second factor was wrong.
    Factor,
    /// The failure budget was used up: nothing was checked.
    Throttled,
}

/// Failures that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempts {
    /// When the ten minutes began.
    pub window: Timestamp,
    /// Where they were to lead.
    pub target: LoginTarget,
    /// Where they came from: an IPv6 client can take any address of its /64, so that is one.
    pub address: Option<IpAddr>,
}

/// How many there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedLogins {
    /// Of these.
    pub attempts: Attempts,
    /// Wrong passwords, and names that nobody has.
    pub passwords: u32,
    /// Wrong second factors.
    pub factors: u32,
    /// Those that had to wait.
    pub throttled: u32,
    /// When the first came.
    pub first_at: Timestamp,
    /// When the last came.
    pub last_at: Timestamp,
    /// What the latest client that said it calls itself.
    pub agent: Option<String>,
}

impl Attempts {
    /// What an attempt at a moment is counted with.
    pub fn at(now: Timestamp, target: LoginTarget, client_ip: Option<IpAddr>) -> Self {
        let seconds = now.unix_seconds();
        let window = Timestamp::from_unix_seconds(seconds - seconds.rem_euclid(WINDOW_SECONDS));
        let network = |address: IpAddr| match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
            v4 => v4,
        };
        Self { window, target, address: client_ip.map(network) }
    }

    /// The same where there are too many to tell them apart.
    #[must_use]
    pub const fn among_others(self) -> Self {
        Self { target: LoginTarget::Others, address: None, ..self }
    }
}

impl FailedLogins {
    /// One of them.
    pub fn one(attempts: Attempts, failure: LoginFailure, agent: Option<&str>, now: Timestamp) -> Self {
        let is = |kind| u32::from(failure == kind);
        Self {
            attempts,
            passwords: is(LoginFailure::Password),
            factors: is(LoginFailure::Factor),
            throttled: is(LoginFailure::Throttled),
            first_at: now,
            last_at: now,
            agent: agent.and_then(|agent| cleaned(agent, LONGEST_AGENT)),
        }
    }

    /// Adds more of the same.
    pub fn add(&mut self, more: Self) {
        self.passwords = self.passwords.saturating_add(more.passwords);
        self.factors = self.factors.saturating_add(more.factors);
        self.throttled = self.throttled.saturating_add(more.throttled);
        self.first_at = self.first_at.min(more.first_at);
        self.last_at = self.last_at.max(more.last_at);
        self.agent = more.agent.or(self.agent.take());
    }

    /// Who did it, when and from where.
    pub const fn action(&self) -> ActionContext {
        ActionContext { at: self.last_at, by: Actor::Stranger, client_ip: self.attempts.address }
    }

    /// At which account.
    pub const fn user(&self) -> Option<UserId> {
        match self.attempts.target {
            LoginTarget::Account(user) => Some(user),
            LoginTarget::UnknownName | LoginTarget::Others => None,
        }
    }

    /// What there is to say of them in one record.
    pub fn detail(&self) -> String {
        let mut text = match self.attempts.target {
            LoginTarget::Account(_) => String::new(),
            LoginTarget::UnknownName => "unknown names: ".to_owned(),
            LoginTarget::Others => "too many to tell apart: ".to_owned(),
        };
        let counts =
            [(self.passwords, "wrong password"), (self.factors, "wrong factor"), (self.throttled, "refused unseen")];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        text += &counts.map(|(count, what)| format!("{count} × {what}")).collect::<Vec<_>>().join(", ");
        // Writing to a text cannot fail.
        let _ = write!(text, "; since {}", self.first_at);
        if let Some(agent) = &self.agent {
            let _ = write!(text, "; {agent}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_123);
    const ADA: LoginTarget = LoginTarget::Account(UserId::from_number(1_687_067_614_042));

    fn attempts(target: LoginTarget, address: &str) -> Attempts {
        Attempts::at(NOW, target, address.parse().ok())
    }

    #[test]
    fn attempts_of_ten_minutes_at_one_account_from_one_client_belong_together() {
        assert_eq!(attempts(ADA, "2001:db8::1"), attempts(ADA, "2001:db8::ffff:0:0:2"));
        assert_ne!(attempts(ADA, "2001:db8::1"), attempts(ADA, "2001:db8:0:1::1"));
        assert_ne!(attempts(ADA, "192.0.2.1"), attempts(ADA, "192.0.2.2"));
        assert_eq!(attempts(ADA, "192.0.2.1").window, Timestamp::from_unix_seconds(1_699_999_800));
        assert_ne!(Attempts::at(NOW.plus_seconds(600), ADA, None), Attempts::at(NOW, ADA, None));
    }

    #[test]
    fn a_record_says_how_many_of_what_since_when_and_by_which_client() {
        let one = |failure, agent, seconds| {
            FailedLogins::one(attempts(ADA, "192.0.2.1"), failure, agent, NOW.plus_seconds(seconds))
        };
        let mut all = one(LoginFailure::Password, Some("curl/8.5.0\u{202e}"), 0);
        all.add(one(LoginFailure::Password, None, 1));
        all.add(one(LoginFailure::Factor, None, 2));
        all.add(one(LoginFailure::Throttled, None, 3));
        let expected =
            "2 × wrong password, 1 × wrong factor, 1 × refused unseen; since 2023-11-14T22:15:23.000Z; curl/8.5.0";
        assert_eq!(all.detail(), expected);
        assert_eq!(all.action().at, NOW.plus_seconds(3));
        let unknown = FailedLogins::one(attempts(LoginTarget::UnknownName, ""), LoginFailure::Password, None, NOW);
        assert_eq!(unknown.detail(), "unknown names: 1 × wrong password; since 2023-11-14T22:15:23.000Z");
        let among_others = attempts(ADA, "192.0.2.1").among_others();
        let others = FailedLogins::one(among_others, LoginFailure::Throttled, None, NOW);
        assert_eq!(others.detail(), "too many to tell apart: 1 × refused unseen; since 2023-11-14T22:15:23.000Z");
        assert_eq!(
            [all.user(), unknown.user(), others.user()],
            [Some(UserId::from_number(1_687_067_614_042)), None, None]
        );
    }

    #[test]
    fn what_comes_late_moves_neither_the_first_nor_the_last_of_what_is_counted() {
        let at = |seconds, agent| {
            FailedLogins::one(attempts(ADA, "192.0.2.1"), LoginFailure::Password, agent, NOW.plus_seconds(seconds))
        };
        let mut all = at(5, Some("first"));
        all.add(at(9, Some("second")));
        all.add(at(2, None));
        assert_eq!((all.first_at, all.last_at), (NOW.plus_seconds(2), NOW.plus_seconds(9)));
        assert_eq!((all.passwords, all.agent.as_deref()), (3, Some("second")));
    }
}
