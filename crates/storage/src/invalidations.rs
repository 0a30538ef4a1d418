//! What the transaction that a thread runs has changed for sessions so far: noted by the operations, and published when
//! all else is done, because from then on every other change waits for its commit.
//!
//! A job runs on one thread from its beginning to its end, so the notes are the thread's.

use std::cell::RefCell;

use thunderhead_domain::ports::Invalidation;

/// Beyond so many, a transaction is said to have changed everything.
const MOST: usize = 256;

thread_local! {
    static TOUCHED: RefCell<Vec<Invalidation>> = const { RefCell::new(Vec::new()) };
}

/// Forgets what an earlier attempt noted.
pub(crate) fn begin() {
    TOUCHED.take();
}

/// Notes a change.
pub(crate) fn note(invalidation: Invalidation) {
    TOUCHED.with_borrow_mut(|pending| {
        if pending.len() == MOST {
            *pending = vec![Invalidation::Everything];
        }
        if !pending.contains(&invalidation) && !pending.contains(&Invalidation::Everything) {
            pending.push(invalidation);
        }
    });
}

/// What was noted since [`begin`].
pub(crate) fn take() -> Vec<Invalidation> {
    TOUCHED.take()
}

#[cfg(test)]
mod tests {
    use thunderhead_domain::id::UserId;

    use super::*;

    #[test]
    fn changes_are_noted_once_and_too_many_are_everything() {
        begin();
        let user = |number| Invalidation::User(UserId::from_number(number));
        for invalidation in [user(1), Invalidation::Switches, user(1)] {
            note(invalidation);
        }
        assert_eq!(take(), [user(1), Invalidation::Switches]);
        assert_eq!(take(), []);
        for number in 0..1_000 {
            note(user(number));
        }
        assert_eq!(take(), [Invalidation::Everything]);
        note(user(1));
        begin();
        assert_eq!(take(), []);
    }
}
