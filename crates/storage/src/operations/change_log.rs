//! Reading the numbered changes, by which replicas learn what they must not cache any longer.

use async_trait::async_trait;
use thunderhead_domain::ports::{
    ChangeCursor, ChangeRounds, Changes, CommitStamp, Invalidation, Invalidations, Stored,
};

use super::{Database, ReadConnection};
use crate::engine::DatabaseEngine;
use crate::error::OperationError;
use crate::rows::ChangedPartition;

/// How many changes of a partition are returned one by one.
const MOST_OF_PARTITION: i64 = 1_000;
/// How many rows are returned in all.
const MOST_RETURNED: i64 = 10_000;

#[async_trait]
impl Changes for Database {
    async fn changes_since(&self, known: &ChangeCursor) -> Stored<Invalidations> {
        let known = known.clone();
        self.read_changes(move |connection| invalidations(connection, &known)).await
    }

    fn read_in_rounds(&self, rounds: Box<dyn ChangeRounds>) {
        self.read_changes_in_rounds(rounds, invalidations);
    }

    fn changes_at_once(&self, known: &ChangeCursor) -> Option<Invalidations> {
        self.read_inline(|connection| invalidations(connection, known))
    }

    fn commit_stamp(&self) -> Option<CommitStamp> {
        DatabaseEngine::commit_stamp(self)
    }
}

/// All partitions are read at once. Those in which nothing has changed are not among the rows.
fn invalidations(connection: &mut ReadConnection<'_>, known: &ChangeCursor) -> Result<Invalidations, OperationError> {
    let rows = connection.changes_since(known, MOST_OF_PARTITION, MOST_RETURNED)?;
    if rows.len() as i64 >= MOST_RETURNED {
        return everything(connection);
    }
    let mut latest = known.partitions().to_vec();
    let mut invalidations = Some(Vec::new());
    for changed in ChangedPartition::of(rows) {
        let at = usize::try_from(changed.number).unwrap_or(usize::MAX);
        let before = latest.get(at).copied();
        match at {
            at if at < latest.len() => latest[at] = changed.latest,
            // They come in order; one that is missing is none of ours.
            at if at == latest.len() => latest.push(changed.latest),
            _ => return everything(connection),
        }
        let since = before.and_then(|before| changed.since(before));
        invalidations = invalidations.zip(since).map(|(mut all, since)| {
            all.extend(since);
            all
        });
    }
    let invalidations = invalidations.unwrap_or_else(|| vec![Invalidation::Everything]);
    Ok(Invalidations { latest: latest.into_iter().collect(), invalidations })
}

/// That everything has changed, as of a state that is read now.
fn everything(connection: &mut ReadConnection<'_>) -> Result<Invalidations, OperationError> {
    let rows = connection.changes_since(&ChangeCursor::default(), 0, i64::from(i32::MAX))?;
    let latest = ChangedPartition::of(rows).into_iter().map(|changed| changed.latest);
    Ok(Invalidations { latest: latest.collect(), invalidations: vec![Invalidation::Everything] })
}
