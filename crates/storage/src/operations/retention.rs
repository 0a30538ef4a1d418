//! Forgetting what is over for long enough.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use thunderhead_domain::ports::{Retention, Stored};
use thunderhead_domain::time::Timestamp;

use super::super::PRUNED_ALONE;
use super::{Connection, Lanes, keys};

/// How many rows one call deletes at most: the work of about a millisecond, for which others may have to wait.
const BATCH: i64 = 100;

/// A table that is pruned.
struct Pruned {
    table: &'static str,
    key: &'static str,
    /// The moment that counts, in Unix milliseconds, as the index on it has it.
    moment: &'static str,
    /// Which rows may go.
    which: &'static str,
}

const SESSIONS: Pruned =
    Pruned { table: "sessions", key: "uuid", moment: "COALESCE(ended_at, expires_at)", which: "TRUE" };
const AUDIT: Pruned = Pruned { table: "audit", key: "number", moment: "at", which: "TRUE" };
/// Those of accounts stay: only success clears them.
const BUDGETS: Pruned = Pruned { table: "failure_budgets", key: "key", moment: "last_at", which: "key LIKE 'name:%'" };
const CHALLENGES: Pruned = Pruned { table: "challenges", key: "id", moment: "expires_at", which: "TRUE" };

#[async_trait]
impl Retention for Lanes {
    async fn prune_sessions(&self, before: Timestamp) -> Stored<u64> {
        self.write(move |connection| Ok(prune(connection, &SESSIONS, before)?)).await
    }

    async fn prune_audit(&self, before: Timestamp) -> Stored<u64> {
        self.write(move |connection| Ok(prune(connection, &AUDIT, before)?)).await
    }

    async fn prune_budgets(&self, before: Timestamp) -> Stored<u64> {
        self.write(move |connection| Ok(prune(connection, &BUDGETS, before)?)).await
    }

    async fn prune_challenges(&self, before: Timestamp) -> Stored<u64> {
        self.write(move |connection| Ok(prune(connection, &CHALLENGES, before)?)).await
    }

    async fn prune_signing_keys(&self, retired_before: Timestamp, now: Timestamp) -> Stored<u64> {
        keys::prune(self, retired_before, now).await
    }
}

/// Deletes the oldest rows from before a moment. They are picked once and for all before the deletion looks at
/// them: a subquery might be run anew for each row, and pick others.
fn prune(connection: &mut Connection, what: &Pruned, before: Timestamp) -> QueryResult<u64> {
    let Pruned { table, key, moment, which } = what;
    let statement = format!(
        "WITH oldest AS MATERIALIZED (SELECT {key} FROM {table} WHERE {moment} < $1 AND {which} ORDER BY {moment} LIMIT $2 {PRUNED_ALONE}) \
         DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM oldest)"
    );
    let deleted = diesel::sql_query(statement)
        .bind::<BigInt, _>(before.unix_millis())
        .bind::<BigInt, _>(BATCH)
        .execute(connection)?;
    Ok(deleted as u64)
}
