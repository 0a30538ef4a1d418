//! The change log on SQLite: one partition, as there is one writer.

use diesel::dsl::not;
use diesel::prelude::*;
use thunderhead_domain::ports::PartitionCursor;

use crate::engine::prepared::Prepared;
use crate::rows::{NewChange, Numbered, ReadChange};
use crate::schema::{change_counters, change_log};

/// The one partition.
const PARTITION: i32 = 0;

diesel::define_sql_function! {
    fn random() -> BigInt;
}

pub(super) fn changes_since(
    connection: &mut SqliteConnection,
    known: &[PartitionCursor],
    most: i64,
) -> QueryResult<Vec<ReadChange>> {
    let known = known.first();
    let (number, nonce) = (known.map(|known| known.number.0), known.map(|known| known.nonce));
    let of_counter = change_log::partition
        .eq(change_counters::partition)
        .and(change_log::number.nullable().ge(number).assume_not_null());
    let is_known = change_counters::number.nullable().is(number).and(change_counters::nonce.nullable().is(nonce));
    change_counters::table
        .left_join(change_log::table.on(of_counter))
        .filter(change_counters::partition.eq(PARTITION).and(not(is_known)))
        .order(change_log::number.desc())
        .limit(most + 1)
        .select((
            change_counters::partition,
            change_counters::number,
            change_counters::nonce,
            change_log::number.nullable(),
            change_log::nonce.nullable(),
            change_log::invalidation.nullable(),
            change_log::user_id.nullable(),
        ))
        .load(connection)
}

pub(super) fn number_changes(connection: &mut SqliteConnection, changes: &[NewChange]) -> QueryResult<Vec<Numbered>> {
    let many = i64::try_from(changes.len()).unwrap_or(i64::MAX);
    let count = diesel::update(change_counters::table.find(PARTITION))
        .set((change_counters::number.eq(change_counters::number + many), change_counters::nonce.eq(random())))
        .returning((change_counters::number, change_counters::nonce));
    let (last, nonce): (i64, i64) = Prepared(count).get_result(connection)?;
    let first = last - many + 1;
    for (number, change) in (first..).zip(changes) {
        diesel::insert_into(change_log::table)
            .values((
                change_log::partition.eq(PARTITION),
                change_log::number.eq(number),
                change_log::invalidation.eq(change.invalidation),
                change_log::user_id.eq(change.user_id),
                change_log::nonce.eq(nonce),
            ))
            .execute(connection)?;
    }
    Ok(vec![Numbered { partition: PARTITION, first, last }])
}
