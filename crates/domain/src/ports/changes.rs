//! The change log: by it replicas know what of their caches no longer holds.

use std::sync::Arc;

use async_trait::async_trait;

use super::Stored;
use crate::id::UserId;

/// The number of a change. In a partition of the change log numbers have no gaps, and follow the order in which changes
/// were committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeNumber(pub i64);

/// The latest change of a partition of the change log: that one and no other. Once a backup was restored, numbers are given
/// again, to other changes: the nonce, which is random, tells them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionCursor {
    /// Its number.
    pub number: ChangeNumber,
    /// A random number that no other change of the partition has.
    pub nonce: i64,
}

/// A state of the database, as far as its changes tell: the latest change of each partition. The default knows of none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeCursor(Arc<[PartitionCursor]>);

impl ChangeCursor {
    /// The latest change of each partition, in the order of the partitions.
    pub fn partitions(&self) -> &[PartitionCursor] {
        &self.0
    }

    /// How many changes there have been.
    pub fn changes(&self) -> i64 {
        self.0.iter().fold(0, |sum, partition| sum.saturating_add(partition.number.0))
    }
}

impl FromIterator<PartitionCursor> for ChangeCursor {
    fn from_iter<I: IntoIterator<Item = PartitionCursor>>(partitions: I) -> Self {
        Self(partitions.into_iter().collect())
    }
}

/// What stays the same as long as nothing is committed to a database, by whomever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitStamp(pub [u64; 7]);

/// What a change may have changed, of all that a request is checked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// A user, or sessions of theirs.
    User(UserId),
    /// The kill switches.
    Switches,
    /// Anything.
    Everything,
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalidations {
    /// The state that they lead to, with all of them and no others.
    pub latest: ChangeCursor,
    /// What the changes concern, in no particular order.
    pub invalidations: Vec<Invalidation>,
}

/// Reads of the changes, each for those who wait for it. Dropped before its end, it has nobody wait any longer.
pub trait ChangeRounds: Send {
    /// Begins the next round; `None` where nobody waits for one. The read must begin after this returns the state since
    /// which changes are wanted. Called where it may block.
    fn begin(&mut self) -> Option<ChangeCursor>;

    /// Ends the round that has begun.
    fn end(&mut self, changes: Stored<Invalidations>);
}

/// The changes by which replicas know what of their caches no longer holds. Every operation that changes a user, an
/// open session or a switch leaves one in the same transaction; opening a session does not, nor does recording its
/// use.
///
/// The log has partitions, so that changes that have nothing to do with each other need not wait for each other. What is
/// read of it is one state of the database: whatever was committed before the read began is in it, in whichever
/// partition.
#[async_trait]
pub trait Changes: Send + Sync {
    /// What has changed since this state. Whoever missed too much, or knows a change that this database has never seen,
    /// is told [`Invalidation::Everything`].
    async fn changes_since(&self, known: &ChangeCursor) -> Stored<Invalidations>;

    /// Reads what has changed once in each of these rounds, one after the other, until there is none. Whatever thread reads
    /// ends the round by itself, so that nobody who waits for it waits for another one besides.
    fn read_in_rounds(&self, rounds: Box<dyn ChangeRounds>);

    /// The same as [`Changes::changes_since`], where that can be told at once: this waits for nothing and nobody. `None`
    /// tells nothing.
    fn changes_at_once(&self, _known: &ChangeCursor) -> Option<Invalidations> {
        None
    }

    /// The state of the database as it is seen at once from outside, without asking it. What is read after this was
    /// taken is of this state or a later one; and nothing was committed between two that are equal. `None` where nothing
    /// is seen, at the moment or ever.
    fn commit_stamp(&self) -> Option<CommitStamp> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_counts_the_changes_of_all_partitions_in_their_order() {
        let partition = |number, nonce| PartitionCursor { number: ChangeNumber(number), nonce };
        let partitions = [partition(3, 7), partition(0, -1), partition(4, 9)];
        let cursor = ChangeCursor::from_iter(partitions);
        assert_eq!((cursor.partitions(), cursor.changes()), (&partitions[..], 7));
        assert_eq!(ChangeCursor::from_iter([partition(i64::MAX, 0), partition(1, 0)]).changes(), i64::MAX);
        assert_eq!(ChangeCursor::default().changes(), 0);
    }
}
