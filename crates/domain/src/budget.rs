//! Failure budgets: wrong attempts cost time, whatever endpoint they come by (`docs/MODEL.md`, *Rate limits*). Strangers
//! share the one of an account; its known networks and its live sessions have budgets of their own, so that no stranger
//! locks the owner out.
//!
//! An attempt is charged as a failure *before* it is checked, so that parallel attempts cannot all pass the check
//! before any is counted. Success clears the budget; an attempt that turned out to be no failure is refunded.

use crate::id::{SessionUuid, UserId};
use crate::network::Network;
use crate::time::Timestamp;

/// So many seconds after the last failure all are forgotten.
pub const FADES_AFTER_SECONDS: i64 = 24 * 3_600;
/// How many budgets of what strangers typed are kept at most.
pub const MOST_TYPED: usize = 100_000;

/// Failures in a row that cost nothing.
const FREE_FAILURES: u32 = 10;
/// The wait after the last free failure, in milliseconds; it doubles with each further one.
const FIRST_DELAY_MILLIS: i64 = 1_000;
/// The longest wait, in milliseconds: an account is never locked for good.
const LONGEST_DELAY_MILLIS: i64 = 15 * 60 * 1_000;

/// Whose budget an attempt is charged to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BudgetKey {
    /// That of strangers at an account.
    Account(UserId),
    /// That of strangers who typed this name or address, by its keyed hash, whether somebody has it or not.
    Typed([u8; 32], Option<UserId>),
    /// That of clients in a network from which a session of the account was opened.
    Network(UserId, Network),
    /// That of a live session which reverifies.
    Session(UserId, SessionUuid),
}

impl BudgetKey {
    /// The account that is attempted at.
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::Typed(_, user) => *user,
            Self::Account(user) | Self::Network(user, _) | Self::Session(user, _) => Some(*user),
        }
    }
}

/// What has been used of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Failures in a row.
    pub failures: u32,
    /// When the last of them was charged.
    pub last_at: Timestamp,
}

/// Whether an attempt may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// It may, and has been charged.
    Admitted(Receipt),
    /// It must wait this many milliseconds.
    Wait(i64),
}

/// What a charge changed, for a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The budget before the charge; `None` if nothing was used.
    pub before: Option<Budget>,
    /// The budget after the charge.
    pub after: Budget,
}

impl Budget {
    /// Charges one attempt at `now` against what was used before.
    pub fn charge(before: Option<Self>, now: Timestamp) -> Charge {
        // A clock that was set back must not make the wait longer than it was meant to be.
        let since = |used: Self| now.millis_since(used.last_at).max(0);
        let before = before.filter(|used| since(*used) < FADES_AFTER_SECONDS * 1_000);
        let Some(used) = before else {
            return Charge::Admitted(Receipt { before, after: Self { failures: 1, last_at: now } });
        };
        let elapsed = since(used);
        let wait = used.delay_millis() - elapsed;
        if wait > 0 {
            return Charge::Wait(wait);
        }
        let after = Self { failures: used.failures.saturating_add(1), last_at: now };
        Charge::Admitted(Receipt { before, after })
    }

    /// Takes one charge back. Where other attempts were charged meanwhile, theirs stay.
    pub fn refund(self, receipt: Receipt) -> Option<Self> {
        if self == receipt.after {
            return receipt.before;
        }
        let failures = self.failures.saturating_sub(1);
        (failures > 0).then_some(Self { failures, last_at: self.last_at })
    }

    /// Whether more failures have been charged than are free.
    pub const fn is_used_up(self) -> bool {
        self.failures > FREE_FAILURES
    }

    /// How long after the last failure the next attempt may be made, in milliseconds.
    fn delay_millis(self) -> i64 {
        match self.failures.checked_sub(FREE_FAILURES) {
            None => 0,
            Some(doublings) => 1_i64
                .checked_shl(doublings.min(32))
                .and_then(|factor| FIRST_DELAY_MILLIS.checked_mul(factor))
                .map_or(LONGEST_DELAY_MILLIS, |delay| delay.min(LONGEST_DELAY_MILLIS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_unix_millis(1_700_000_000_000 + millis)
    }

    #[test]
    fn ten_failures_are_free_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let mut used = None;
        for _ in 0..10 {
            let Charge::Admitted(receipt) = Budget::charge(used, at(0)) else { panic!("a free failure waits") };
            used = Some(receipt.after);
        }
        let mut now = 0;
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900] {
            assert_eq!(Budget::charge(used, at(now)), Charge::Wait(seconds * 1_000));
            assert_eq!(Budget::charge(used, at(now + seconds * 1_000 - 1)), Charge::Wait(1));
            now += seconds * 1_000;
            let Charge::Admitted(receipt) = Budget::charge(used, at(now)) else { panic!("waited long enough") };
            used = Some(receipt.after);
        }
    }

    #[test]
    fn failures_are_forgotten_a_day_after_the_last_one() {
        let used = Some(Budget { failures: 40, last_at: at(0) });
        let day = 86_400_000;
        let Charge::Admitted(late) = Budget::charge(used, at(day - 1)) else { panic!("waited long enough") };
        assert_eq!((late.before, late.after.failures), (used, 41));
        let Charge::Admitted(anew) = Budget::charge(used, at(day)) else { panic!("waited long enough") };
        assert_eq!((anew.before, anew.after.failures), (None, 1));
    }

    #[test]
    fn a_refund_restores_what_was_there_unless_others_were_charged_meanwhile() {
        let Charge::Admitted(first) = Budget::charge(None, at(0)) else { panic!() };
        assert_eq!(first.after.refund(first), None);
        let Charge::Admitted(second) = Budget::charge(Some(first.after), at(5)) else { panic!() };
        assert_eq!(second.after.refund(second), Some(first.after));
        assert_eq!(second.after.refund(first), Some(Budget { failures: 1, last_at: at(5) }));
    }

    #[test]
    fn a_refund_that_comes_after_another_charge_takes_one_failure_away_and_with_the_last_the_budget() {
        let Charge::Admitted(receipt) = Budget::charge(None, at(0)) else { panic!("a free failure waits") };
        for (failures, left) in [(0, None), (1, None), (2, Some(1)), (12, Some(11))] {
            let now = Budget { failures, last_at: at(9) };
            assert_eq!(now.refund(receipt), left.map(|failures| Budget { failures, ..now }), "{failures}");
        }
    }

    #[test]
    fn a_budget_is_used_up_by_the_first_failure_that_is_not_free() {
        for (failures, used_up) in [(0, false), (9, false), (10, false), (11, true), (u32::MAX, true)] {
            assert_eq!(Budget { failures, last_at: at(0) }.is_used_up(), used_up, "{failures}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_wait_longer() {
        let used = Some(Budget { failures: 11, last_at: at(0) });
        assert_eq!(Budget::charge(used, at(-60_000)), Charge::Wait(2_000));
    }

    #[test]
    fn a_budget_is_of_an_account_unless_it_is_of_a_name_that_nobody_has() {
        let ada = UserId::from_number(1_687_067_614_042);
        let network = Network::of([192, 0, 2, 7].into());
        for (key, user) in [
            (BudgetKey::Account(ada), Some(ada)),
            (BudgetKey::Network(ada, network), Some(ada)),
            (BudgetKey::Session(ada, SessionUuid(uuid::Uuid::nil())), Some(ada)),
            (BudgetKey::Typed([7; 32], Some(ada)), Some(ada)),
            (BudgetKey::Typed([7; 32], None), None),
        ] {
            assert_eq!(key.user(), user, "{key:?}");
        }
    }

    proptest! {
        #[test]
        fn no_budget_waits_longer_than_a_quarter_of_an_hour(failures in any::<u32>(), millis in any::<i64>()) {
            let used = Budget { failures, last_at: at(0) };
            if let Charge::Wait(wait) = Budget::charge(Some(used), Timestamp::from_unix_millis(millis)) {
                prop_assert!((1..=LONGEST_DELAY_MILLIS).contains(&wait));
            }
        }
    }
}
