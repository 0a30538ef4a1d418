//! Deleting what was a deleted user's, which may be very much: in batches, by whoever comes to it.

use super::operations::{Database, UncheckedStatement, WriteTransaction, sql};
use crate::dsl::*;
use crate::engine::DatabaseEngine;
use diesel::sql_types::BigInt;

use crate::schema::deleted_users;

/// How many rows are deleted at once: the work of about a millisecond, for which others may have to wait.
const BATCH: i64 = 100;

/// The tables, their keys, and what puts a user's rows in the order of an index.
const TABLES: [(&str, &str, &str); 2] = [("sessions", "uuid", "id"), ("challenges", "id", "user_id")];

#[derive(QueryableByName)]
#[diesel(table_name = deleted_users)]
struct Removal {
    user_id: i64,
}

/// Deletes some rows of a user who was deleted; returns how many. When there are none left, the id is free again, which
/// counts as one.
pub(crate) fn delete_some(transaction: &mut WriteTransaction<'_>) -> QueryResult<u64> {
    let first = format!("SELECT user_id FROM deleted_users ORDER BY user_id LIMIT 1 {}", Database::SKIP_LOCKED);
    let Some(Removal { user_id }) = transaction.load_sql(sql(first))?.pop() else { return Ok(0) };
    for (table, key, order) in TABLES {
        let statement = format!(
            "WITH few AS MATERIALIZED (SELECT {key} FROM {table} WHERE user_id = $1 ORDER BY {order} LIMIT $2) \
             DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM few)"
        );
        let statement = sql(statement).bind::<BigInt, _>(user_id).bind::<BigInt, _>(BATCH);
        let deleted = transaction.execute_sql(statement)?;
        if deleted > 0 {
            return Ok(deleted as u64);
        }
    }
    diesel::delete(deleted_users::table.find(user_id)).execute(transaction).map(|deleted| deleted as u64)
}
