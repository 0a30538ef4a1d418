//! What a transaction has changed for those who cache sessions. It is numbered when all else is done, because from then on
//! every other change waits for its commit.

use thunderhead_domain::ports::Invalidation;

use super::{UncheckedStatement, WriteTransaction};
use crate::dsl::*;
use crate::rows::ChangeRow;
use crate::schema::{change_counter, changes};

/// Beyond so many, a transaction is said to have changed everything.
const MOST: usize = 256;

/// How many changes are kept. For who has missed more, everything has changed.
const KEPT: i64 = 10_000;
/// How many are deleted at once.
const PRUNED: i64 = 256;

/// What is to be invalidated when the transaction commits.
#[derive(Default)]
pub(super) struct PendingInvalidations(Vec<Invalidation>);

impl PendingInvalidations {
    pub(super) fn add(&mut self, invalidation: Invalidation) {
        if self.0.len() == MOST {
            self.0 = vec![Invalidation::Everything];
        }
        if !self.0.contains(&invalidation) && !self.0.contains(&Invalidation::Everything) {
            self.0.push(invalidation);
        }
    }
}

/// Numbers what a transaction has changed. The lock on the counter goes with the commit, so the order of the numbers is
/// the order of the commits, and whoever sees one sees all before it. Nothing may be locked after this. The database gives
/// the nonces.
pub(super) fn number(transaction: &mut WriteTransaction<'_>, pending: PendingInvalidations) -> QueryResult<()> {
    let PendingInvalidations(pending) = pending;
    let Ok(many @ 1..) = i64::try_from(pending.len()) else { return Ok(()) };
    let last: i64 = diesel::update(change_counter::table.find(1))
        .set(change_counter::number.eq(change_counter::number + many))
        .returning(change_counter::number)
        .get_result(transaction)?;
    let first = last - many + 1;
    let rows: Vec<_> = (first..).zip(pending).map(ChangeRow::from).collect();
    diesel::insert_into(changes::table).values(&rows).execute(transaction)?;
    // Each time that the numbers pass a multiple of the batch, a batch is too old.
    if last / PRUNED != (first - 1) / PRUNED {
        diesel::delete(changes::table.filter(changes::number.le(last - KEPT))).execute(transaction)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use thunderhead_domain::id::UserId;

    use super::*;

    fn pending(invalidations: impl IntoIterator<Item = Invalidation>) -> Vec<Invalidation> {
        let mut pending = PendingInvalidations::default();
        invalidations.into_iter().for_each(|invalidation| pending.add(invalidation));
        pending.0
    }

    #[test]
    fn changes_are_noted_once_and_too_many_are_everything() {
        let user = |number| Invalidation::User(UserId::from_number(number));
        assert_eq!(pending([user(1), Invalidation::Switches, user(1)]), [user(1), Invalidation::Switches]);
        assert_eq!(pending([]), []);
        assert_eq!(pending((0..1_000).map(user)), [Invalidation::Everything]);
        assert_eq!(pending((0..1_000).chain([1]).map(user)), [Invalidation::Everything]);
    }
}
