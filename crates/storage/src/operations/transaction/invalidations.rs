//! What a transaction has changed for those who cache sessions. It is numbered when all else is done, because from then on
//! every other change waits for its commit.

use thunderhead_domain::ports::Invalidation;

use super::{Database, UncheckedStatement, WriteTransaction};
use crate::dsl::*;
use crate::engine::DatabaseEngine as _;
use crate::rows::NewChange;

/// Beyond so many, a transaction is said to have changed everything.
const MOST: usize = 256;

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

/// Numbers what a transaction has changed. Nothing may be locked after this.
pub(super) fn number(transaction: &mut WriteTransaction<'_>, pending: PendingInvalidations) -> QueryResult<()> {
    let PendingInvalidations(pending) = pending;
    let changes: Vec<_> = pending.into_iter().map(|what| NewChange::new(what, Database::USER_PARTITIONS)).collect();
    if changes.is_empty() {
        return Ok(());
    }
    for numbered in Database::number_changes(transaction.reader.connection, &changes)? {
        if let Some(outdated) = numbered.outdated() {
            diesel::delete(outdated).execute(transaction)?;
        }
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
