//! Changes as rows.

use diesel::dsl;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{ChangeNumber, Invalidation, PartitionCursor};

use crate::dsl::*;
use crate::schema::change_log;
use crate::unreadable::{self, RowKey};

/// How many changes of a partition are kept. For who has missed more, everything has changed.
const KEPT: i64 = 1_000;
/// How many are deleted at once.
const PRUNED: i64 = 100;

/// A partition of the change log: its counter's row is locked from the number that a change is given until its commit,
/// so its numbers follow the order of commits without gaps.
///
/// The promise does not hang on which partition a change is in. Whoever reads them reads all at once, in one statement,
/// and so sees every change that was committed before: that is why they have no order among each other, and need none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Partition(i32);

impl Partition {
    /// That of what concerns no single user.
    const GENERAL: Self = Self(0);

    /// That of a change, where so many others are the users'. It mixes the ids, which may have a step in common.
    fn of(invalidation: Invalidation, users: u32) -> Self {
        match invalidation {
            Invalidation::User(user) if users > 0 => {
                let mixed = user.number().cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                Self(i32::try_from(1 + mixed % u64::from(users)).unwrap_or(0))
            }
            Invalidation::User(_) | Invalidation::Switches | Invalidation::Everything => Self::GENERAL,
        }
    }

    pub(crate) const fn number(self) -> i32 {
        self.0
    }
}

/// A change that is to be numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewChange {
    pub(crate) partition: Partition,
    pub(crate) invalidation: &'static str,
    pub(crate) user_id: Option<i64>,
}

impl NewChange {
    /// The change that invalidates this, where the users have so many partitions.
    pub(crate) fn new(what: Invalidation, users: u32) -> Self {
        let (invalidation, user_id) = match what {
            Invalidation::User(user) => ("user", Some(user.number())),
            Invalidation::Switches => ("switches", None),
            Invalidation::Everything => ("everything", None),
        };
        Self { partition: Partition::of(what, users), invalidation, user_id }
    }
}

/// What a partition's latest number is, once changes were numbered in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) partition: i32,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Numbered {
    /// The partition's changes that are not to be kept any longer: told each time that the numbers pass a multiple of a
    /// batch.
    pub(crate) fn outdated(self) -> Option<changes_up_to> {
        let is_due = self.last / PRUNED != (self.first - 1) / PRUNED;
        is_due.then(|| changes_up_to(self.partition, self.last - KEPT))
    }
}

#[dsl::auto_type]
fn changes_up_to(partition: i32, number: i64) -> _ {
    change_log::table.filter(change_log::partition.eq(partition)).filter(change_log::number.le(number))
}

/// A row of what was read of the log: a partition with its latest change, and one of its changes.
pub(crate) type ReadChange = (i32, i64, i64, Option<i64>, Option<i64>, Option<String>, Option<i64>);

/// A partition whose latest change is not the one that is known.
pub(crate) struct ChangedPartition {
    pub(crate) number: i32,
    pub(crate) latest: PartitionCursor,
    /// Its changes from the known one on, where that is among those that are kept, the latest first.
    changes: Vec<(PartitionCursor, Invalidation)>,
}

impl ChangedPartition {
    /// The rows by partition; those of one stand together.
    pub(crate) fn of(rows: Vec<ReadChange>) -> Vec<Self> {
        let mut partitions: Vec<Self> = Vec::new();
        for (partition, number, nonce, of_change, nonce_of_change, text, user) in rows {
            if partitions.last().is_none_or(|last| last.number != partition) {
                partitions.push(Self { number: partition, latest: cursor(number, nonce), changes: Vec::new() });
            }
            if let (Some(number), Some(nonce), Some(text), Some(last)) =
                (of_change, nonce_of_change, text, partitions.last_mut())
            {
                last.changes.push((cursor(number, nonce), invalidation(number, &text, user)));
            }
        }
        partitions
    }

    /// What has changed since the known change. Where that is not found, more was missed than is kept or returned, or
    /// the database is another one than before; so it is where another change has its number. `None` then.
    pub(crate) fn since(self, known: PartitionCursor) -> Option<Vec<Invalidation>> {
        let mut changes = self.changes;
        let (oldest, _) = changes.pop()?;
        (oldest == known).then(|| changes.into_iter().map(|(_, invalidation)| invalidation).collect())
    }
}

const fn cursor(number: i64, nonce: i64) -> PartitionCursor {
    PartitionCursor { number: ChangeNumber(number), nonce }
}

/// What a change of another version invalidates is not known: so it is everything.
fn invalidation(number: i64, invalidation: &str, user: Option<i64>) -> Invalidation {
    match (invalidation, user) {
        ("user", Some(user)) => Invalidation::User(UserId::from_number(user)),
        ("switches", None) => Invalidation::Switches,
        ("everything", None) => Invalidation::Everything,
        _ => {
            unreadable::note("change_log.invalidation", &RowKey::Number(number));
            Invalidation::Everything
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_share_all_partitions_but_the_first_whatever_their_ids_have_in_common() {
        for step in [1, 2, 64, 1_000, 1 << 32] {
            let mut users = [0; 65];
            for user in 0..6_400 {
                let user = UserId::from_number(1_700_000_000_000 + user * step);
                users[usize::try_from(Partition::of(Invalidation::User(user), 64).0).unwrap()] += 1;
            }
            let [of_nobody, users @ ..] = users;
            assert_eq!(of_nobody, 0);
            assert!(users.iter().all(|count| (40..=200).contains(count)), "{step}: {users:?}");
        }
        for nobodys in [Invalidation::Switches, Invalidation::Everything] {
            assert_eq!(Partition::of(nobodys, 64), Partition::GENERAL);
        }
        assert_eq!(Partition::of(Invalidation::User(UserId::from_number(7)), 0), Partition::GENERAL);
    }
}
