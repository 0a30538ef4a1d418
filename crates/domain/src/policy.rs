//! Session policy: what else than its lifetime ends a session, and how much of it there may be (`docs/MODEL.md`, *Policy*).
//!
//! A session is judged by [`Session::status`] and [`Session::end`] alone, wherever somebody asks whether it is live. What
//! its policy makes of it is put into it once, by [`Session::under`], when its row is read: the policy of a process does
//! not change, and a user who becomes staff, or stops being staff, is read again.

use crate::session::{BeyondCap, Grant, Session, SessionCap};
use crate::time::Timestamp;

/// By how much the time of last use that a row has may lag, in milliseconds: so much later than its limit an idle session
/// is over.
pub const USE_LAG_MILLIS: i64 = 60_000;

/// A year of 365.25 days, in seconds.
const YEAR: i64 = 31_557_600;

/// What holds for the sessions of some users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// After how many seconds without use a session is over.
    pub idle: Option<i64>,
    /// Whether that holds for scoped sessions, too.
    pub idle_tokens: bool,
    /// After how many seconds from its login a full session is over, whatever lifetime it was opened with.
    pub absolute: Option<i64>,
    /// How long a scoped session may live at most, in seconds.
    pub token_max: i64,
    /// How many full sessions a user may have at once.
    pub max_sessions: u32,
    /// What happens to the next one.
    pub over_cap: BeyondCap,
    /// How many scoped ones.
    pub max_tokens: u32,
}

impl SessionLimits {
    /// Those that are in force where nothing is set.
    pub const DEFAULT: Self = Self {
        idle: None,
        idle_tokens: false,
        absolute: None,
        token_max: 10 * YEAR,
        max_sessions: 1_000,
        over_cap: BeyondCap::EndOldest,
        max_tokens: 200,
    };

    /// For how many milliseconds a session may go unused, as far as that is known.
    const fn idle_millis(&self, grant: Grant) -> Option<i64> {
        match (self.idle, grant) {
            (Some(seconds), Grant::Full) => Some(seconds.saturating_mul(1_000).saturating_add(USE_LAG_MILLIS)),
            (Some(seconds), Grant::Scoped(_)) if self.idle_tokens => {
                Some(seconds.saturating_mul(1_000).saturating_add(USE_LAG_MILLIS))
            }
            (Some(_) | None, _) => None,
        }
    }

    /// The second in which a session of such a grant is over that was made at a moment, and that would live longer.
    pub const fn latest_end(&self, grant: Grant, created_at: Timestamp) -> Option<Timestamp> {
        match (self.absolute, grant) {
            (Some(seconds), Grant::Full) => {
                Some(Timestamp::from_unix_seconds(created_at.unix_seconds()).plus_seconds(seconds))
            }
            (_, Grant::Full | Grant::Scoped(_)) => None,
        }
    }

    /// How many sessions of such a grant a user may have at once.
    pub const fn cap(&self, grant: Grant) -> SessionCap {
        match grant {
            Grant::Full => SessionCap { most: self.max_sessions, beyond: self.over_cap },
            Grant::Scoped(_) => SessionCap { most: self.max_tokens, beyond: BeyondCap::Refuse },
        }
    }

    /// When a session expires that is opened at a moment to live for so many seconds: on a whole second, because its token
    /// does, and no later than it may.
    pub fn expiry(&self, grant: Grant, at: Timestamp, lifetime: i64) -> Timestamp {
        let lifetime = match grant {
            Grant::Full => lifetime,
            Grant::Scoped(_) => lifetime.min(self.token_max),
        };
        let expiry = Timestamp::from_unix_seconds(at.unix_seconds()).plus_seconds(lifetime);
        self.latest_end(grant, at).map_or(expiry, |latest| expiry.min(latest))
    }

    /// What must be true of a session that is live at a moment, besides that it has not expired by itself: for a database,
    /// which compares moments. It says the same as [`Session::status`].
    pub const fn cutoffs(&self, now: Timestamp) -> LivenessCutoffs {
        let created = match self.absolute {
            // Whole seconds: the first one from which on a session may have been made.
            Some(seconds) => now.plus_seconds(-seconds).unix_seconds().saturating_add(1).saturating_mul(1_000),
            None => i64::MIN,
        };
        let used = match self.idle {
            Some(seconds) => now.plus_seconds(-seconds).unix_millis().saturating_sub(USE_LAG_MILLIS),
            None => i64::MIN,
        };
        LivenessCutoffs {
            full_created: Timestamp::from_unix_millis(created),
            full_used: Timestamp::from_unix_millis(used),
            scoped_used: Timestamp::from_unix_millis(if self.idle_tokens { used } else { i64::MIN }),
        }
    }
}

/// The earliest moments that a live session may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivenessCutoffs {
    /// At which a full one was made.
    pub full_created: Timestamp,
    /// At which a full one was made or last used, whichever was later.
    pub full_used: Timestamp,
    /// The same of a scoped one.
    pub scoped_used: Timestamp,
}

/// What holds for everybody's sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPolicy {
    /// Those of users.
    pub users: SessionLimits,
    /// Those of staff.
    pub staff: SessionLimits,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self::for_all(SessionLimits::DEFAULT)
    }
}

impl SessionPolicy {
    /// The same for users and staff.
    pub const fn for_all(limits: SessionLimits) -> Self {
        Self { users: limits, staff: limits }
    }

    /// What holds for somebody who is staff, or is not.
    pub const fn of(&self, staff: bool) -> &SessionLimits {
        if staff { &self.staff } else { &self.users }
    }

    /// Whether it ends any session that has not expired by itself.
    pub const fn ends_sessions(&self) -> bool {
        let [users, staff] = [&self.users, &self.staff];
        users.idle.is_some() || users.absolute.is_some() || staff.idle.is_some() || staff.absolute.is_some()
    }

    /// Whether it ends any session for want of use.
    pub const fn ends_idle_sessions(&self) -> bool {
        self.users.idle.is_some() || self.staff.idle.is_some()
    }

    /// Whether anything else holds for staff than for users.
    pub fn tells_staff_apart(&self) -> bool {
        self.users != self.staff
    }
}

impl Session {
    /// The session of a row, under what holds for its user.
    #[must_use]
    pub fn under(mut self, limits: &SessionLimits) -> Self {
        self.bounds.idle_millis = limits.idle_millis(self.grant);
        if let Some(latest) = limits.latest_end(self.grant, self.created_at)
            && latest < self.expires_at
        {
            (self.expires_at, self.bounds.cut) = (latest, true);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;
    use crate::scope::ScopeSet;
    use crate::session::tests::sample;
    use crate::session::{Actor, End, EndReason, SessionStatus, State};

    const HOUR: i64 = 3_600;
    const NEVER_USED: Option<i64> = None;
    const LIMITS: SessionLimits =
        SessionLimits { idle: Some(HOUR), absolute: Some(24 * HOUR), ..SessionLimits::DEFAULT };

    fn scoped() -> Grant {
        Grant::Scoped(ScopeSet::from_flags(4).unwrap())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_seconds(second)
    }

    /// Made at second 0, for 30 days.
    fn session(grant: Grant, used_at: Option<i64>) -> Session {
        Session { id: SessionId::at(at(0)), grant, used_at: used_at.map(at), ..sample(at(0), at(30 * 24 * HOUR)) }
    }

    fn end(second: i64, why: EndReason) -> Option<End> {
        Some(End { at: at(second), by: Actor::System, why })
    }

    #[test]
    fn a_session_is_idle_a_minute_after_its_limit_counted_from_its_last_use_or_its_making() {
        for (used_at, last) in [(NEVER_USED, 0), (Some(500), 500), (Some(-500), 0)] {
            let session = session(Grant::Full, used_at).under(&LIMITS);
            let limit = last + HOUR + 60;
            assert_eq!((session.status(at(limit)), session.end(at(limit))), (SessionStatus::Live, None), "{used_at:?}");
            let later = at(limit).plus_millis(1);
            assert_eq!(session.status(later), SessionStatus::Ended, "{used_at:?}");
            assert_eq!(session.end(later), end(limit, EndReason::Idle), "{used_at:?}");
        }
    }

    #[test]
    fn no_full_session_outlives_the_absolute_limit_and_its_expiry_says_so() {
        let session = session(Grant::Full, Some(24 * HOUR - 10)).under(&LIMITS);
        assert_eq!(session.expires_at, at(24 * HOUR));
        assert_eq!((session.status(at(24 * HOUR - 1)), session.end(at(24 * HOUR - 1))), (SessionStatus::Live, None));
        assert_eq!(session.status(at(24 * HOUR)), SessionStatus::Expired);
        assert_eq!(session.end(at(24 * HOUR)), end(24 * HOUR, EndReason::Absolute));
    }

    #[test]
    fn what_came_first_is_why_a_session_is_over() {
        let idle_first = session(Grant::Full, Some(100)).under(&LIMITS);
        assert_eq!(idle_first.end(at(48 * HOUR)), end(100 + HOUR + 60, EndReason::Idle));
        // It was opened for no longer than it may live: it expires by itself.
        let mut short = session(Grant::Full, Some(24 * HOUR - 10));
        short.expires_at = at(24 * HOUR);
        assert_eq!(short.under(&LIMITS).end(at(48 * HOUR)), None);
        let revoked = End { at: at(50), by: Actor::CommandLine, why: EndReason::Operator };
        let ended = Session { state: State::Ended(revoked), ..session(Grant::Full, None) };
        assert_eq!(ended.under(&LIMITS).end(at(48 * HOUR)), Some(revoked));
        let expired = Session { state: State::Expired, ..session(Grant::Full, None) };
        assert_eq!(expired.under(&LIMITS).end(at(48 * HOUR)), None);
    }

    #[test]
    fn scoped_sessions_are_exempt_from_idling_unless_it_is_asked_for_and_from_the_absolute_limit_always() {
        let token = session(scoped(), None);
        assert_eq!(token.clone().under(&LIMITS), token);
        let strict = SessionLimits { idle_tokens: true, ..LIMITS };
        let token = token.under(&strict);
        assert_eq!(token.status(at(HOUR + 60)), SessionStatus::Live);
        assert_eq!(token.end(at(HOUR + 61)), end(HOUR + 60, EndReason::Idle));
        assert!(!token.bounds.cut);
    }

    #[test]
    fn without_a_policy_a_session_is_what_its_row_says() {
        let policy = SessionPolicy::default();
        assert!(!policy.ends_sessions() && !policy.tells_staff_apart());
        let session = session(Grant::Full, None);
        assert_eq!(session.clone().under(policy.of(true)), session);
        assert_eq!(session.end(at(29 * 24 * HOUR)), None);
        let staff = SessionPolicy { staff: LIMITS, ..policy };
        assert!(staff.ends_sessions() && staff.tells_staff_apart());
        assert_eq!((staff.of(true), staff.of(false)), (&LIMITS, &SessionLimits::DEFAULT));
    }

    #[test]
    fn each_limit_of_users_or_of_staff_is_one_that_ends_sessions() {
        let idle = SessionLimits { idle: Some(HOUR), ..SessionLimits::DEFAULT };
        let absolute = SessionLimits { absolute: Some(HOUR), ..SessionLimits::DEFAULT };
        for (limits, by_idling) in [(idle, true), (absolute, false)] {
            for policy in [
                SessionPolicy { users: limits, ..SessionPolicy::default() },
                SessionPolicy { staff: limits, ..SessionPolicy::default() },
            ] {
                assert!(policy.ends_sessions(), "{policy:?}");
                assert_eq!(policy.ends_idle_sessions(), by_idling, "{policy:?}");
            }
        }
        assert!(!SessionPolicy::default().ends_idle_sessions());
    }

    #[test]
    fn a_session_that_expires_in_the_moment_in_which_it_would_be_idle_has_simply_expired() {
        let mut session = session(Grant::Full, None).under(&LIMITS);
        for (expires_at, expected) in [(HOUR + 60, None), (HOUR + 61, end(HOUR + 60, EndReason::Idle))] {
            (session.expires_at, session.bounds.cut) = (at(expires_at), false);
            assert_eq!(session.end(at(2 * HOUR)), expected, "{expires_at}");
        }
    }

    #[test]
    fn tokens_beyond_their_cap_are_refused_and_full_sessions_as_the_policy_says() {
        let limits = SessionLimits { max_sessions: 3, max_tokens: 2, ..SessionLimits::DEFAULT };
        assert_eq!(limits.cap(Grant::Full), SessionCap { most: 3, beyond: BeyondCap::EndOldest });
        assert_eq!(limits.cap(scoped()), SessionCap { most: 2, beyond: BeyondCap::Refuse });
    }

    #[test]
    fn a_session_is_opened_for_no_longer_than_it_may_live() {
        let odd = at(100).plus_millis(700);
        let limits = SessionLimits { token_max: 600, ..LIMITS };
        assert_eq!(limits.expiry(Grant::Full, odd, HOUR), at(100 + HOUR));
        assert_eq!(limits.expiry(Grant::Full, odd, 30 * 24 * HOUR), at(100 + 24 * HOUR));
        assert_eq!(limits.expiry(scoped(), odd, 60), at(160));
        assert_eq!(limits.expiry(scoped(), odd, 30 * 24 * HOUR), at(700));
    }

    /// What a database is given says the same as what a session is judged by.
    #[test]
    fn cutoffs_say_the_same_as_the_status() {
        let limits = [
            SessionLimits::DEFAULT,
            LIMITS,
            SessionLimits { idle_tokens: true, ..LIMITS },
            SessionLimits { absolute: None, ..LIMITS },
            SessionLimits { idle: None, ..LIMITS },
        ];
        for limits in limits {
            for grant in [Grant::Full, scoped()] {
                for (created, used, now) in moments() {
                    let mut row = session(grant, None);
                    (row.created_at, row.used_at) = (created, used);
                    let cutoffs = limits.cutoffs(now);
                    let last = used.map_or(created, |used| used.max(created));
                    let by_cutoffs = match grant {
                        Grant::Full => created >= cutoffs.full_created && last >= cutoffs.full_used,
                        Grant::Scoped(_) => last >= cutoffs.scoped_used,
                    };
                    let judged = row.under(&limits).status(now) == SessionStatus::Live;
                    assert_eq!(judged, by_cutoffs, "{limits:?} {grant:?} {created} {used:?} {now}");
                }
            }
        }
    }

    /// Moments around every limit, to the millisecond, of sessions that were made at an odd one.
    fn moments() -> Vec<(Timestamp, Option<Timestamp>, Timestamp)> {
        let created = at(1_000).plus_millis(345);
        let mut moments = Vec::new();
        for used in [None, Some(created.plus_seconds(-30)), Some(created.plus_seconds(24 * HOUR - 5))] {
            for seconds in [0, HOUR, HOUR + 60, 24 * HOUR, 25 * HOUR + 55] {
                for millis in [-1_000, -346, -345, -344, -1, 0, 1, 655, 656] {
                    moments.push((created, used, created.plus_seconds(seconds).plus_millis(millis)));
                }
            }
        }
        moments
    }
}
