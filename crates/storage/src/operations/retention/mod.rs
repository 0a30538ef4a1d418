//! Forgetting what is over for long enough.

mod backlog;
mod deleted_users;

use super::{self as operations, Database, Query, UncheckedStatement, WriteTransaction, keys, sql};
use crate::dsl::*;
use crate::engine::DatabaseEngine;
use async_trait::async_trait;
use diesel::sql_types::BigInt;
use thunderhead_domain::budget::MOST_TYPED;
use thunderhead_domain::ports::{Retention, Stored};
use thunderhead_domain::time::Timestamp;
use tracing::instrument;

use crate::schema::{failure_budgets, known_networks};

/// How many rows one call deletes at most: the work of about a millisecond, for which others may have to wait.
const BATCH: i64 = 100;
/// After every moment that a row may have.
const FAR_OFF: Timestamp = Timestamp::from_unix_millis(i64::MAX);

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
const BUDGETS: Pruned = Pruned { table: "failure_budgets", key: "key", moment: "last_at", which: "TRUE" };
const TYPED: Pruned = Pruned { which: "key LIKE 'name:%'", ..BUDGETS };
const CHALLENGES: Pruned = Pruned { table: "challenges", key: "id", moment: "expires_at", which: "TRUE" };

#[async_trait]
impl Retention for Database {
    #[instrument(level = "debug", skip_all)]
    async fn prune_sessions(&self, before: Timestamp) -> Stored<u64> {
        self.write(move |transaction| Ok(prune(transaction, &SESSIONS, before)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_audit(&self, before: Timestamp) -> Stored<u64> {
        self.write(move |transaction| Ok(prune(transaction, &AUDIT, before)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_budgets(&self, before: Timestamp) -> Stored<u64> {
        self.write(move |transaction| {
            let pruned = prune(transaction, &BUDGETS, before)?;
            if pruned > 0 {
                return Ok(pruned);
            }
            let typed: i64 =
                failure_budgets::table.filter(failure_budgets::key.like("name:%")).count().get_result(transaction)?;
            let beyond = typed - MOST_TYPED as i64;
            if beyond <= 0 { Ok(0) } else { Ok(prune_some(transaction, &TYPED, FAR_OFF, beyond.min(BATCH))?) }
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_networks(&self, before: Timestamp) -> Stored<u64> {
        self.write(move |transaction| {
            let old = known_networks::table.filter(known_networks::last_at.lt(before.unix_millis()));
            let oldest: Vec<(i64, String)> = old
                .order(known_networks::last_at)
                .limit(BATCH)
                .select((known_networks::user_id, known_networks::network))
                .load(transaction)?;
            let mut pruned = 0;
            for named in oldest {
                let still_old =
                    known_networks::table.find(named).filter(known_networks::last_at.lt(before.unix_millis()));
                pruned += diesel::delete(still_old).execute(transaction)? as u64;
            }
            Ok(pruned)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_challenges(&self, before: Timestamp) -> Stored<u64> {
        self.write(move |transaction| Ok(prune(transaction, &CHALLENGES, before)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn prune_signing_keys(&self, retired_before: Timestamp, now: Timestamp) -> Stored<u64> {
        keys::prune(self, retired_before, now).await
    }
}

/// Deletes the oldest rows from before a moment. They are picked once and for all before the deletion looks at
/// them: a subquery might be run anew for each row, and pick others.
fn prune(transaction: &mut WriteTransaction<'_>, what: &Pruned, before: Timestamp) -> QueryResult<u64> {
    prune_some(transaction, what, before, BATCH)
}

fn prune_some(transaction: &mut WriteTransaction<'_>, what: &Pruned, before: Timestamp, most: i64) -> QueryResult<u64> {
    let Pruned { table, key, moment, which } = what;
    let skip_locked = Database::SKIP_LOCKED;
    let statement = format!(
        "WITH oldest AS MATERIALIZED (SELECT {key} FROM {table} WHERE {moment} < $1 AND {which} ORDER BY {moment} LIMIT $2 {skip_locked}) \
         DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM oldest)"
    );
    let statement = sql(statement).bind::<BigInt, _>(before.unix_millis()).bind::<BigInt, _>(most);
    Ok(transaction.execute_sql(statement)? as u64)
}
