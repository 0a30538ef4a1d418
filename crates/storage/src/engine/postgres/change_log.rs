//! The change log on Postgres: partitions, so that few changes wait for each other, and statements that take one round
//! trip whatever there are of them.
//!
//! The counters stand on one page, which is read whole each time: that costs less than to look up each in an index.
//! Statements are types of their own, for one that is given as text is prepared anew at every run.

use std::cmp::Reverse;
use std::io::Write;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text};
use thunderhead_domain::ports::PartitionCursor;

use super::primary;
use crate::rows::{NewChange, Numbered, ReadChange};

/// How many partitions the migration has made for users' changes. With 64, as many connections as Postgres has by
/// default seldom wait for each other (`docs/PERFORMANCE.md`), and all counters fit on half a page.
pub(super) const USER_PARTITIONS: u32 = 64;

/// What tells a change from another of its number. With the first partition's nonce go the transaction that wrote the
/// row and the start of the server, because a backup brings the latest changes that a replica knows along where only
/// sessions were opened since: whether a dump is restored, a server goes back to an earlier moment or a standby takes
/// over, one of them is another. It stands for all of them: a dump writes all rows anew.
macro_rules! nonce {
    ($row:literal) => {
        concat!(
            "CASE counter.partition WHEN 0 THEN ",
            $row,
            ".nonce # hashtextextended(",
            $row,
            ".xmin::text, extract(epoch FROM pg_postmaster_start_time())::bigint) ELSE ",
            $row,
            ".nonce END"
        )
    };
}

/// The partitions whose latest change is not the known one, and their changes from the known one on.
#[derive(QueryId)]
struct ChangesSince {
    numbers: BigInts,
    nonces: BigInts,
    most_of_partition: i64,
    most: i64,
}

/// Numbers that are sent as an array. They are written in one go: one by one, that took more than all else that is done to
/// ask.
#[derive(Debug)]
struct BigInts(Vec<i64>);

impl ToSql<Array<BigInt>, Pg> for BigInts {
    /// As Postgres' `array_recv` reads it: an array of one dimension without nulls.
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        const INT8: u32 = 20;
        const LENGTH: u32 = size_of::<i64>() as u32;
        let count = u32::try_from(self.0.len())?;
        let mut bytes = Vec::with_capacity(size_of::<[u32; 5]>() + self.0.len() * size_of::<[u32; 3]>());
        let (dimensions, nulls, begins_at) = (1, 0, 1);
        for word in [dimensions, nulls, INT8, count, begins_at] {
            bytes.extend_from_slice(&u32::to_be_bytes(word));
        }
        for number in &self.0 {
            bytes.extend_from_slice(&LENGTH.to_be_bytes());
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        out.write_all(&bytes)?;
        Ok(IsNull::No)
    }
}

impl Query for ChangesSince {
    type SqlType = (Integer, BigInt, BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<Text>, Nullable<BigInt>);
}

impl RunQueryDsl<PgConnection> for ChangesSince {}

impl QueryFragment<Pg> for ChangesSince {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(concat!(
            "SELECT counter.partition, counter.number, ",
            nonce!("counter"),
            ", change.number, ",
            nonce!("change"),
            ", change.invalidation, change.user_id \
             FROM change_counters AS counter LEFT JOIN LATERAL (\
             SELECT number, nonce, invalidation, user_id, xmin FROM change_log \
             WHERE change_log.partition = counter.partition AND change_log.number >= ("
        ));
        out.push_bind_param::<Array<BigInt>, _>(&self.numbers)?;
        out.push_sql("::bigint[])[counter.partition + 1] ORDER BY change_log.number DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.most_of_partition)?;
        out.push_sql(") AS change ON TRUE WHERE (counter.number IS DISTINCT FROM (");
        out.push_bind_param::<Array<BigInt>, _>(&self.numbers)?;
        out.push_sql(concat!("::bigint[])[counter.partition + 1] OR ", nonce!("counter"), " IS DISTINCT FROM ("));
        out.push_bind_param::<Array<BigInt>, _>(&self.nonces)?;
        out.push_sql("::bigint[])[counter.partition + 1]) AND ");
        primary::IsPrimary.walk_ast(out.reborrow())?;
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.most)
    }
}

pub(super) fn changes_since(
    connection: &mut PgConnection,
    known: &[PartitionCursor],
    most_of_partition: i64,
    most: i64,
) -> QueryResult<Vec<ReadChange>> {
    let numbers = BigInts(known.iter().map(|known| known.number.0).collect());
    let nonces = BigInts(known.iter().map(|known| known.nonce).collect());
    let since = ChangesSince { numbers, nonces, most_of_partition: most_of_partition + 1, most };
    let mut rows: Vec<ReadChange> = since.load(connection)?;
    // To have Postgres do it would make it read all counters by an index.
    rows.sort_by_key(|(partition, _, _, number, ..)| (*partition, Reverse(*number)));
    Ok(rows)
}

/// Takes the next number of a partition for one change.
#[derive(QueryId)]
pub(super) struct NumberOne {
    partition: i32,
    invalidation: &'static str,
    user: Option<i64>,
}

/// The same for several. The counters are locked in the order of their partitions, so that no two who do this wait for
/// each other.
#[derive(QueryId)]
struct NumberSeveral {
    partitions: Vec<i32>,
    invalidations: Vec<&'static str>,
    users: Vec<Option<i64>>,
}

/// Partition, first number, last number.
type NumberedColumns = (Integer, BigInt, BigInt);

impl Query for NumberOne {
    type SqlType = NumberedColumns;
}

impl Query for NumberSeveral {
    type SqlType = NumberedColumns;
}

impl RunQueryDsl<PgConnection> for NumberOne {}
impl RunQueryDsl<PgConnection> for NumberSeveral {}

impl NumberOne {
    pub(super) const fn new(change: &NewChange) -> Self {
        Self { partition: change.partition.number(), invalidation: change.invalidation, user: change.user_id }
    }

    pub(super) const fn partition(&self) -> i32 {
        self.partition
    }

    /// Two parts of a statement that begins with `WITH`: `counted` has the row of the counter, if a condition holds on
    /// which the change is made (`AND …`), and `logged` that of the log.
    pub(super) fn parts<'b>(&'b self, condition: &str, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("counted AS (UPDATE change_counters SET number = number + 1, nonce = DEFAULT WHERE partition = ");
        out.push_bind_param::<Integer, _>(&self.partition)?;
        out.push_sql(condition);
        out.push_sql(
            " RETURNING partition, number, nonce), logged AS (\
             INSERT INTO change_log (partition, number, invalidation, user_id, nonce) SELECT partition, number, ",
        );
        out.push_bind_param::<Text, _>(&self.invalidation)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.user)?;
        out.push_sql(", nonce FROM counted RETURNING partition, number)");
        Ok(())
    }
}

impl QueryFragment<Pg> for NumberOne {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH ");
        self.parts("", out.reborrow())?;
        out.push_sql(" SELECT partition, number, number FROM logged");
        Ok(())
    }
}

impl QueryFragment<Pg> for NumberSeveral {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "WITH wanted AS MATERIALIZED (\
             SELECT partition, invalidation, user_id, row_number() OVER (PARTITION BY partition ORDER BY place) AS place \
             FROM unnest(",
        );
        out.push_bind_param::<Array<Integer>, _>(&self.partitions)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.invalidations)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.users)?;
        out.push_sql(
            ") WITH ORDINALITY AS given (partition, invalidation, user_id, place)), \
             sizes AS MATERIALIZED (SELECT partition, count(*) AS size FROM wanted GROUP BY partition), \
             locked AS MATERIALIZED (SELECT partition FROM change_counters WHERE partition = ANY (",
        );
        out.push_bind_param::<Array<Integer>, _>(&self.partitions)?;
        out.push_sql(
            ") ORDER BY partition FOR UPDATE), \
             counted AS (UPDATE change_counters AS counter SET number = counter.number + sizes.size, nonce = DEFAULT \
             FROM sizes, locked WHERE sizes.partition = locked.partition AND counter.partition = locked.partition \
             RETURNING counter.partition, counter.number, counter.nonce, sizes.size), \
             logged AS (INSERT INTO change_log (partition, number, invalidation, user_id, nonce) \
             SELECT partition, counted.number - counted.size + wanted.place, wanted.invalidation, wanted.user_id, \
             counted.nonce FROM counted JOIN wanted USING (partition)) \
             SELECT partition, number - size + 1, number FROM counted",
        );
        Ok(())
    }
}

pub(super) fn number_changes(connection: &mut PgConnection, changes: &[NewChange]) -> QueryResult<Vec<Numbered>> {
    let numbered: Vec<(i32, i64, i64)> = match changes {
        [change] => NumberOne::new(change).load(connection)?,
        several => NumberSeveral {
            partitions: several.iter().map(|change| change.partition.number()).collect(),
            invalidations: several.iter().map(|change| change.invalidation).collect(),
            users: several.iter().map(|change| change.user_id).collect(),
        }
        .load(connection)?,
    };
    let count: i64 = numbered.iter().map(|(_, first, last)| last - first + 1).sum();
    // A change that cannot be numbered must not be made.
    if count != i64::try_from(changes.len()).unwrap_or(i64::MAX) {
        return Err(diesel::result::Error::NotFound);
    }
    Ok(numbered.into_iter().map(|(partition, first, last)| Numbered { partition, first, last }).collect())
}
