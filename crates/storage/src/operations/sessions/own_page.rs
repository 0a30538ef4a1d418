//! A page of one user's live sessions, and how many there are: in one statement, but for who has very many.

use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, HasSqlType};
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{Page, PageStart, SessionFilter, Stored};
use thunderhead_domain::session::Session;
use thunderhead_domain::time::Timestamp;

use super::list;
use super::operations::lasting::Lasting;
use super::operations::live_sessions::Negation;
use super::operations::{Database, Paged, ReadConnection, live_sessions, on_primary};
use crate::dsl::*;
use crate::engine::DatabaseEngine as _;
use crate::error::OperationError;
use crate::rows::{OpenSessionKind, SessionRow, skip};
use crate::schema::sessions;

/// Up to so many live sessions are counted beside a page, and so many rows skipped and read for it: then no planner can
/// do better than to read indexes in their order.
const MOST: i64 = 1_000;

/// Which of a user's live sessions, newest first.
#[derive(Clone, Copy)]
pub(crate) struct OwnPage {
    pub(crate) user: UserId,
    pub(crate) but: Option<SessionUuid>,
    pub(crate) start: PageStart,
    pub(crate) limit: u32,
    pub(crate) now: Timestamp,
}

/// A page. Where rows cannot be read, others take their places: one that is not full is the last one.
pub(crate) async fn page(database: &Database, wanted: OwnPage) -> Stored<Page<Session>> {
    // Where a policy ends sessions, rows are looked at to be counted, and no index has their order.
    if wanted.is_near()
        && !database.session_policy().ends_sessions()
        && let Some(page) = database.read(move |connection| near(connection, wanted)).await?
    {
        return Ok(page);
    }
    database.snapshot(move |connection| any(connection, wanted)).await
}

impl OwnPage {
    fn skipped(&self) -> u64 {
        match self.start {
            PageStart::Skip(sessions) => sessions,
            PageStart::After(_) => 0,
        }
    }

    fn is_near(&self) -> bool {
        self.limit > 0 && self.skipped().saturating_add(self.limit.into()) <= MOST.unsigned_abs()
    }
}

/// The page, unless the user has too many sessions, or one of its rows cannot be read.
fn near(connection: &mut ReadConnection<'_>, wanted: OwnPage) -> Result<Option<Page<Session>>, OperationError> {
    let OwnPage { user, limit, now, .. } = wanted;
    // No session has an empty uuid, and none was made at the end of time.
    let but = wanted.but.map_or_else(Vec::new, |but| but.0.as_bytes().to_vec());
    let (created_at, id) = match wanted.start {
        PageStart::Skip(_) => (i64::MAX, i64::MAX),
        PageStart::After(cursor) => (cursor.created_at.unix_millis(), cursor.id.number()),
    };
    let count = FewLive::new(user, now, but.clone());
    let sessions = on_primary(live_sessions::of_user(user, Lasting::unexpired(now)))
        .filter(sessions::uuid.ne(but))
        .filter(Negation::new(sessions::created_at).ge(-created_at))
        .filter(sessions::created_at.lt(created_at).or(sessions::id.gt(id)))
        .order(live_sessions::newest_first())
        .select((SessionRow::as_select(), count));
    let rows: Vec<(SessionRow, i64)> = Paged::new(sessions, limit.into(), skip(wanted.skipped())).load(connection)?;
    let count = match (rows.first(), wanted.start) {
        (Some((_, count)), _) if *count < MOST => count.unsigned_abs(),
        (None, PageStart::Skip(0)) => 0,
        _ => return Ok(None),
    };
    let items: Result<Vec<Session>, _> = rows.into_iter().map(|(row, _)| row.of_current()).collect();
    Ok(items.ok().map(|items| Page { count, items }))
}

/// The same of who has very many, of a page far off, or beyond the end.
fn any(connection: &mut ReadConnection<'_>, wanted: OwnPage) -> Result<Page<Session>, OperationError> {
    let OwnPage { user, but, start, limit, now } = wanted;
    connection.read_by_index()?;
    let filter = SessionFilter { user: Some(user), except: but, active: Some(true), ..SessionFilter::default() };
    let items = if limit == 0 { Vec::new() } else { list::page(connection, filter, start, limit, now)? };
    let items = items.into_iter().map(|authenticated| authenticated.session).collect();
    Ok(Page { count: list::count(connection, filter, now)?, items })
}

/// How many live sessions a user has but for one, if that is less than [`MOST`]. Counted in the index that has them by
/// their kinds, no farther than it takes to tell.
#[derive(Clone, Debug, QueryId)]
struct FewLive {
    user: i64,
    now: i64,
    but: Vec<u8>,
    kinds: [i64; OpenSessionKind::ALL.len()],
}

impl FewLive {
    fn new(user: UserId, now: Timestamp, but: Vec<u8>) -> Self {
        let kinds = OpenSessionKind::ALL.map(OpenSessionKind::number);
        Self { user: user.number(), now: now.unix_millis(), but, kinds }
    }

    /// That a row is one of the user's that has not expired, in the generation that counts.
    fn unexpired<'b, DB>(&'b self, out: &mut AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: Backend + HasSqlType<BigInt>,
        i64: ToSql<BigInt, DB>,
    {
        out.push_sql("few.user_id = ");
        out.push_bind_param::<BigInt, _>(&self.user)?;
        out.push_sql(" AND few.generation = (SELECT users.session_generation FROM users WHERE users.id = ");
        out.push_bind_param::<BigInt, _>(&self.user)?;
        out.push_sql(") AND few.expires_at > ");
        out.push_bind_param::<BigInt, _>(&self.now)
    }
}

impl Expression for FewLive {
    type SqlType = BigInt;
}

impl<Q> AppearsOnTable<Q> for FewLive {}
impl<Q> SelectableExpression<Q> for FewLive {}

impl ValidGrouping<()> for FewLive {
    type IsAggregate = is_aggregate::No;
}

impl<DB> QueryFragment<DB> for FewLive
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Binary>,
    i64: ToSql<BigInt, DB>,
    Vec<u8>: ToSql<Binary, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("(");
        for kind in &self.kinds {
            out.push_sql("(SELECT count(*) FROM (SELECT 1 FROM sessions AS few WHERE ");
            self.unexpired(&mut out)?;
            out.push_sql(" AND few.kind = ");
            out.push_bind_param::<BigInt, _>(kind)?;
            // One more than there may be tells whether there are less. No parameter: see `Paged`.
            out.push_sql(&format!(" ORDER BY few.expires_at LIMIT {}) AS counted) + ", MOST + 1));
        }
        out.push_sql("0 - (SELECT count(*) FROM sessions AS few WHERE ");
        self.unexpired(&mut out)?;
        out.push_sql(" AND few.ended_at IS NULL AND few.uuid = ");
        out.push_bind_param::<Binary, _>(&self.but)?;
        out.push_sql("))");
        Ok(())
    }
}
