//! The changes of `users` and `sessions` that invalidate nothing, because no session check sees them: of rows that are
//! new, of columns that are not cached, of what is over already. These are all that there are, and so are the statements
//! that are run by their text. A test looks after it that no session check sees them (`contract::change_log`).

use diesel::dsl::exists;
use diesel::select;
use diesel::sql_types::{BigInt, Text};
use thunderhead_domain::event::EventCursor;
use thunderhead_domain::id::UserId;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::PasswordHash;

use super::{Database, Query, UncheckedStatement, WriteTransaction, select_sql, sql};
use crate::dsl::*;
use crate::engine::DatabaseEngine;
use crate::rows::{ImportedSessionRow, NewUserRow, NumberedRow, SessionRow, UserRow};
use crate::schema::{deleted_users, ended_generations, sessions, users};

/// How many rows of what is over are written or deleted at once: the work of about a millisecond, for which others may
/// have to wait.
const BATCH: i64 = 100;

/// What came of inserting a user.
pub(crate) enum UserInsert {
    Done,
    /// The id, the name or the address is taken: nothing was inserted.
    Taken,
    /// Rows of a deleted user with this id are still there: nothing is left of what was inserted.
    IdOfDeleted,
}

/// Rows that are new.
impl WriteTransaction<'_> {
    /// Inserts a user. Whether rows of somebody who had the id may still be there is asked once the id is taken: whoever
    /// is just deleting the last user of this id has been waited for.
    pub(crate) fn insert_user(&mut self, row: &NewUserRow) -> QueryResult<UserInsert> {
        let insert = diesel::insert_into(users::table).values(row).on_conflict_do_nothing();
        if self.change_unseen(insert)? == 0 {
            return Ok(UserInsert::Taken);
        }
        if !select(exists(deleted_users::table.find(row.id))).get_result(self)? {
            return Ok(UserInsert::Done);
        }
        self.change_unseen(diesel::delete(users::table.find(row.id)))?;
        Ok(UserInsert::IdOfDeleted)
    }

    pub(crate) fn insert_session(&mut self, row: &SessionRow) -> QueryResult<()> {
        self.change_unseen(diesel::insert_into(sessions::table).values(row)).map(drop)
    }

    /// The same of many that come from elsewhere.
    pub(crate) fn insert_sessions(&mut self, rows: &[ImportedSessionRow]) -> QueryResult<()> {
        self.change_unseen(diesel::insert_into(sessions::table).values(rows)).map(drop)
    }
}

/// Columns that are not cached.
impl WriteTransaction<'_> {
    /// Gives a user another hash of the same password, while the credential is of this version.
    pub(crate) fn replace_hash(&mut self, user: UserId, version: i64, hash: &PasswordHash) -> QueryResult<()> {
        let same = users::table.find(user.number()).filter(users::credential_version.eq(version));
        self.change_unseen(diesel::update(same).set(users::password_hash.eq(hash.expose()))).map(drop)
    }

    /// Locks the user's row until the transaction ends, and counts the change of their sessions that is about to follow:
    /// so that it can be told whether a count of them still holds.
    pub(crate) fn lock_for_session_change(&mut self, user: UserId) -> QueryResult<Option<UserRow>> {
        let counted = diesel::update(users::table.find(user.number()))
            .set(users::session_changes.eq(users::session_changes + 1))
            .returning(UserRow::as_returning());
        Ok(self.change_unseen_returning(counted)?.pop())
    }

    /// Counts a change of the sessions of each of these users, whose rows are locked.
    pub(crate) fn count_session_changes(&mut self, ids: Vec<i64>) -> QueryResult<()> {
        let changed = users::session_changes.eq(users::session_changes + 1);
        self.change_unseen(diesel::update(users::table.filter(users::id.eq_any(ids))).set(changed)).map(drop)
    }

    /// Records when sessions were used, where that is so much later than what is recorded.
    pub(crate) fn record_uses(&mut self, uses: &[(Vec<u8>, i64)], spacing: i64) -> QueryResult<()> {
        Database::record_uses(self.reader.connection, uses, spacing)
    }
}

/// A table whose rows are deleted once they have been over for long enough.
pub(crate) struct Pruned {
    table: &'static str,
    key: &'static str,
    /// The moment that counts, in Unix milliseconds, as the index on it has it.
    moment: &'static str,
    /// Which rows may go.
    which: &'static str,
}

impl Pruned {
    pub(crate) const SESSIONS: Self =
        Self { table: "sessions", key: "uuid", moment: "COALESCE(ended_at, expires_at)", which: "TRUE" };
    const AUDIT: Self = Self { table: "audit", key: "number", moment: "at", which: "TRUE" };
    pub(crate) const BUDGETS: Self = Self { table: "failure_budgets", key: "key", moment: "last_at", which: "TRUE" };
    /// The budgets of names that nobody has.
    pub(crate) const TYPED: Self = Self { which: "key LIKE 'name:%'", ..Self::BUDGETS };
    pub(crate) const NETWORKS: Self =
        Self { table: "known_networks", key: "user_id, network", moment: "last_at", which: "TRUE" };
    pub(crate) const DEVICES: Self =
        Self { table: "known_devices", key: "user_id, device", moment: "last_at", which: "TRUE" };
    pub(crate) const REPLACED_TOKENS: Self =
        Self { table: "replaced_tokens", key: "digest", moment: "replaced_at", which: "TRUE" };
    pub(crate) const CHALLENGES: Self = Self { table: "challenges", key: "id", moment: "expires_at", which: "TRUE" };
    pub(crate) const PASSKEY_CHALLENGES: Self = Self { table: "used_passkey_challenges", ..Self::CHALLENGES };
}

impl Pruned {
    /// Deletes the oldest from before `$1`, at most `$2`.
    fn deletion(&self) -> String {
        let Self { table, key, moment, which } = self;
        let skip_locked = Database::SKIP_LOCKED;
        format!(
            "WITH oldest AS MATERIALIZED (SELECT {key} FROM {table} WHERE {moment} < $1 AND {which} ORDER BY {moment} LIMIT $2 {skip_locked}) \
             DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM oldest)"
        )
    }
}

#[derive(QueryableByName)]
#[diesel(table_name = ended_generations)]
struct EndedGeneration {
    user_id: i64,
    generation: i64,
    ended_at: i64,
    ended_by: String,
    end_reason: String,
}

#[derive(QueryableByName)]
#[diesel(table_name = deleted_users)]
struct DeletedUser {
    user_id: i64,
}

/// What was a deleted user's: the tables, their keys, and what puts a user's rows in the order of an index.
const OF_DELETED_USERS: [(&str, &str, &str); 2] = [("sessions", "uuid", "id"), ("challenges", "id", "user_id")];

/// What is over.
impl WriteTransaction<'_> {
    /// Deletes the oldest rows from before a moment, at most so many; returns how many. They are picked once and for all
    /// before the deletion looks at them: a subquery might be run anew for each row, and pick others.
    pub(crate) fn prune(&mut self, what: &Pruned, before: Timestamp, most: i64) -> QueryResult<u64> {
        let statement = sql(what.deletion()).bind::<BigInt, _>(before.unix_millis()).bind::<BigInt, _>(most);
        Ok(self.execute_sql(statement)? as u64)
    }

    /// The same with records of the audit trail; returns their places in the feed.
    pub(crate) fn prune_records(&mut self, before: Timestamp, most: i64) -> QueryResult<Vec<NumberedRow>> {
        let statement = sql(format!("{} RETURNING feed_number, feed_nonce", Pruned::AUDIT.deletion()));
        let statement = statement.bind::<BigInt, _>(before.unix_millis()).bind::<BigInt, _>(most);
        diesel::RunQueryDsl::load(statement, self.reader.connection)
    }

    /// Numbers the first records that have no number in the feed yet, at most so many, in the order of their insertion and
    /// from the one after `latest` on; returns how many.
    pub(crate) fn number_records(&mut self, latest: EventCursor, most: i64) -> QueryResult<i64> {
        let statement = "WITH few AS MATERIALIZED (SELECT number FROM audit WHERE feed_number = 0 ORDER BY number LIMIT $1), \
             ranked AS (SELECT number AS ranked_number, ROW_NUMBER() OVER (ORDER BY number) AS place FROM few) \
             UPDATE audit SET feed_number = $2 + place, feed_nonce = $3 FROM ranked WHERE number = ranked_number";
        let statement =
            sql(statement).bind::<BigInt, _>(most).bind::<BigInt, _>(latest.number).bind::<BigInt, _>(latest.nonce);
        Ok(self.execute_sql(statement)? as i64)
    }

    /// Writes the end of a generation into some of its rows; returns how many. One that had expired before is given the
    /// moment at which it did, which no session that somebody ended has. When there is nothing left, the generation is
    /// forgotten, which counts as one.
    pub(crate) fn write_some_ends(&mut self) -> QueryResult<u64> {
        let skip_locked = Database::SKIP_LOCKED;
        let first = format!("* FROM ended_generations ORDER BY user_id, generation LIMIT 1 {skip_locked}");
        let Some(over) = self.load_sql::<EndedGeneration>(select_sql(first))?.pop() else { return Ok(0) };
        let statement = "WITH few AS MATERIALIZED (SELECT uuid FROM sessions \
             WHERE user_id = $1 AND generation = $2 AND kind IS NOT NULL ORDER BY kind, expires_at LIMIT $3) \
             UPDATE sessions SET ended_at = CASE WHEN expires_at > $4 THEN $4 ELSE expires_at END, ended_by = $5, \
             end_reason = $6, updated_at = CASE WHEN expires_at > $4 THEN $4 ELSE updated_at END \
             WHERE uuid IN (SELECT uuid FROM few)";
        let statement = sql(statement)
            .bind::<BigInt, _>(over.user_id)
            .bind::<BigInt, _>(over.generation)
            .bind::<BigInt, _>(BATCH)
            .bind::<BigInt, _>(over.ended_at)
            .bind::<Text, _>(over.ended_by)
            .bind::<Text, _>(over.end_reason);
        let written = self.execute_sql(statement)?;
        if written > 0 {
            return Ok(written as u64);
        }
        let done = ended_generations::table.find((over.user_id, over.generation));
        diesel::delete(done).execute(self).map(|deleted| deleted as u64)
    }

    /// Deletes some rows of a user who was deleted, which may be very many; returns how many. When there are none left,
    /// the id is free again, which counts as one.
    pub(crate) fn delete_some_of_deleted_users(&mut self) -> QueryResult<u64> {
        let first = format!("user_id FROM deleted_users ORDER BY user_id LIMIT 1 {}", Database::SKIP_LOCKED);
        let Some(DeletedUser { user_id }) = self.load_sql(select_sql(first))?.pop() else { return Ok(0) };
        for (table, key, order) in OF_DELETED_USERS {
            let statement = format!(
                "WITH few AS MATERIALIZED (SELECT {key} FROM {table} WHERE user_id = $1 ORDER BY {order} LIMIT $2) \
                 DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM few)"
            );
            let statement = sql(statement).bind::<BigInt, _>(user_id).bind::<BigInt, _>(BATCH);
            let deleted = self.execute_sql(statement)?;
            if deleted > 0 {
                return Ok(deleted as u64);
            }
        }
        diesel::delete(deleted_users::table.find(user_id)).execute(self).map(|deleted| deleted as u64)
    }
}
