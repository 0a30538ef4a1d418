//! The numbered changes, by which replicas learn what they must not cache any longer.

use super::{Database, Query, ReadConnection, UncheckedStatement, WriteTransaction, on_primary};
use crate::dsl::*;
use crate::engine::DatabaseEngine;
use async_trait::async_trait;
use diesel::dsl::max;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{ChangeCursor, ChangeNumber, Changes, Invalidation, Invalidations, Stored};

use crate::error::OperationError;
use crate::schema::{change_counter, changes};
use crate::unreadable::{self, RowKey};

/// How many changes are kept. For who has missed more, everything has changed.
const KEPT: i64 = 10_000;
/// How many are deleted at once.
const PRUNED: i64 = 256;
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
}

/// Numbers what a transaction has changed. The lock on the counter goes with the commit, so the order of the numbers is
/// the order of the commits, and whoever sees one sees all before it. Nothing may be locked after this. The database gives
/// the nonces.
pub(crate) fn number(transaction: &mut WriteTransaction<'_>, pending: Vec<Invalidation>) -> QueryResult<()> {
    let Ok(many @ 1..) = i64::try_from(pending.len()) else { return Ok(()) };
    let last: i64 = diesel::update(change_counter::table.find(1))
        .set(change_counter::number.eq(change_counter::number + many))
        .returning(change_counter::number)
        .get_result(transaction)?;
    let first = last - many + 1;
    let rows: Vec<_> = (first..).zip(pending).map(row).collect();
    diesel::insert_into(changes::table).values(&rows).execute(transaction)?;
    // Each time that the numbers pass a multiple of the batch, a batch is too old.
    if last / PRUNED != (first - 1) / PRUNED {
        diesel::delete(changes::table.filter(changes::number.le(last - KEPT))).execute(transaction)?;
    }
    Ok(())
}

#[derive(Insertable)]
#[diesel(table_name = changes, treat_none_as_default_value = false)]
struct ChangeRow {
    number: i64,
    invalidation: &'static str,
    user_id: Option<i64>,
}

fn row((number, invalidation): (i64, Invalidation)) -> ChangeRow {
    let (invalidation, user_id) = match invalidation {
        Invalidation::User(user) => ("user", Some(user.number())),
        Invalidation::Switches => ("switches", None),
        Invalidation::Everything => ("everything", None),
    };
    ChangeRow { number, invalidation, user_id }
}

/// What a change of another version invalidates is not known: so it is everything.
fn invalidation(number: i64, invalidation: &str, user: Option<i64>) -> Invalidation {
    match (invalidation, user) {
        ("user", Some(user)) => Invalidation::User(UserId::from_number(user)),
        ("switches", None) => Invalidation::Switches,
        ("everything", None) => Invalidation::Everything,
        _ => {
            unreadable::note("changes.invalidation", &RowKey::Number(number));
            Invalidation::Everything
        }
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
