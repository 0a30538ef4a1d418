//! Reading the numbered changes, by which replicas learn what they must not cache any longer.

use async_trait::async_trait;
use diesel::dsl::max;
use thunderhead_domain::ports::{
    ChangeCursor, ChangeNumber, Changes, CommitStamp, Invalidation, Invalidations, Stored,
};

use super::{Database, Query, ReadConnection, on_primary};
use crate::dsl::*;
use crate::engine::DatabaseEngine;
use crate::error::OperationError;
use crate::rows::invalidation;
use crate::schema::changes;

/// How many changes are returned one by one.
const MOST_RETURNED: i64 = 1_000;

#[async_trait]
impl Changes for Database {
    async fn changes_since(&self, known: ChangeCursor) -> Stored<Invalidations> {
        self.read_changes(move |connection| invalidations(connection, known)).await
    }

    fn is_latest(&self, known: ChangeCursor) -> bool {
        self.read_inline(latest) == Some(known)
    }

    fn commit_stamp(&self) -> Option<CommitStamp> {
        DatabaseEngine::commit_stamp(self)
    }
}

/// The latest change; a database that has none is as if it had one that nothing changed.
fn latest(connection: &mut ReadConnection<'_>) -> QueryResult<ChangeCursor> {
    let all = diesel::alias!(changes as all_changes);
    let last = all.select(max(all.field(changes::number))).single_value();
    let last =
        changes::table.filter(changes::number.nullable().eq(last)).select((changes::number, Database::CHANGE_NONCE));
    let last: Option<(i64, i64)> = on_primary(last).get_result(connection).optional()?;
    Ok(last.map_or_else(ChangeCursor::default, |(number, nonce)| change(number, nonce)))
}

/// The known change is read along: where it is not found, more was missed than is kept or returned, or the database is
/// another one than before. So it is where another change has the number.
fn invalidations(connection: &mut ReadConnection<'_>, known: ChangeCursor) -> Result<Invalidations, OperationError> {
    let mut rows: Vec<(i64, i64, String, Option<i64>)> = on_primary(changes::table)
        .filter(changes::number.ge(known.number.0))
        .order(changes::number.desc())
        .limit(MOST_RETURNED + 1)
        .select((changes::number, Database::CHANGE_NONCE, changes::invalidation, changes::user_id))
        .load(connection)?;
    match rows.pop() {
        Some((number, nonce, ..)) if change(number, nonce) == known => {
            let latest = rows.first().map_or(known, |(number, nonce, ..)| change(*number, *nonce));
            let invalidations =
                rows.into_iter().map(|(number, _, text, user)| invalidation(number, &text, user)).collect();
            Ok(Invalidations { latest, invalidations })
        }
        _ => Ok(Invalidations { latest: latest(connection)?, invalidations: vec![Invalidation::Everything] }),
    }
}

const fn change(number: i64, nonce: i64) -> ChangeCursor {
    ChangeCursor { number: ChangeNumber(number), nonce }
}
