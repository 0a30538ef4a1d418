//! Numbering what a transaction has changed.

use thunderhead_domain::ports::Invalidation;

use super::{UncheckedStatement, WriteTransaction};
use crate::dsl::*;
use crate::rows::ChangeRow;
use crate::schema::{change_counter, changes};

/// How many changes are kept. For who has missed more, everything has changed.
const KEPT: i64 = 10_000;
/// How many are deleted at once.
const PRUNED: i64 = 256;

/// Numbers what a transaction has changed. The lock on the counter goes with the commit, so the order of the numbers is
/// the order of the commits, and whoever sees one sees all before it. Nothing may be locked after this. The database gives
/// the nonces.
pub(super) fn number(transaction: &mut WriteTransaction<'_>, pending: Vec<Invalidation>) -> QueryResult<()> {
    let Ok(many @ 1..) = i64::try_from(pending.len()) else { return Ok(()) };
    let last: i64 = diesel::update(change_counter::table.find(1))
        .set(change_counter::number.eq(change_counter::number + many))
        .returning(change_counter::number)
        .get_result(transaction)?;
    let first = last - many + 1;
    let rows: Vec<_> = (first..).zip(pending).map(ChangeRow::from).collect();
    diesel::insert_into(changes::table).values(&rows).execute(transaction)?;
    // Each time that the numbers pass a multiple of the batch, a batch is too old.
    if last / PRUNED != (first - 1) / PRUNED {
        diesel::delete(changes::table.filter(changes::number.le(last - KEPT))).execute(transaction)?;
    }
    Ok(())
}
