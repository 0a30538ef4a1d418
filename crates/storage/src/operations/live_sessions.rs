//! What it means that a session is live, in one place: nobody has ended it, its generation is its user's, it has not
//! expired, and no policy ends it ([`Lasting`]). A session of another generation is over from the commit on that ended it,
//! whatever its row says.

use diesel::backend::Backend;
use diesel::dsl;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, HasSqlType};
use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::id::UserId;
use thunderhead_domain::policy::SessionPolicy;
use thunderhead_domain::time::Timestamp;

use super::lasting::Lasting;
use super::transaction::ReadingQuery;
use super::{Connection, Database, Paged, Query, ReadConnection};
use crate::dsl::*;
use crate::engine::DatabaseEngine as _;
use crate::error::DataError;
use crate::rows::{GenerationEndRow, OpenSessionKind, SessionRow, UserRow};
use crate::schema::{ended_generations, sessions, users};
use crate::unreadable::read;

/// `-expression`, as the index has it that lists a user's sessions.
mod negation {
    diesel::prefix_operator!(Negation, "-", diesel::sql_types::BigInt);
}

pub(crate) use negation::Negation;

/// A session with its user, and with how its generation ended if that is not yet in all of its rows.
pub(crate) type StoredSession = (SessionRow, UserRow, Option<GenerationEndRow>);

/// The user's sessions that are live at a moment; those that have a second factor pending are.
pub(crate) fn of_user(user: UserId, lasting: Lasting) -> live_rows {
    live_rows(user.number(), lasting)
}

#[dsl::auto_type]
pub(crate) fn live_rows(user: i64, lasting: Lasting) -> _ {
    let lasting_ones: lasting_rows = lasting_rows(user, lasting);
    lasting_ones.filter(sessions::ended_at.is_null())
}

/// The same where their kind is asked for besides: what has ended has none. Where no policy ends sessions, an index has all
/// of this, and no more, so that they are counted without reading their rows.
pub(crate) fn of_kinds(user: UserId, lasting: Lasting) -> lasting_rows {
    lasting_rows(user.number(), lasting)
}

#[dsl::auto_type]
pub(crate) fn lasting_rows(user: i64, lasting: Lasting) -> _ {
    sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(
            sessions::generation
                .nullable()
                .eq(users::table.find(user).select(users::session_generation).single_value()),
        )
        .filter(lasting)
}

/// Newest first; sessions of one millisecond got descending ids: the smaller one was opened later.
pub(crate) fn newest_first() -> (Negation<sessions::created_at>, dsl::Asc<sessions::id>) {
    (Negation::new(sessions::created_at), sessions::id.asc())
}

/// Sessions with their users, and the ends of their generations.
#[dsl::auto_type]
pub(crate) fn with_ends() -> _ {
    sessions::table.inner_join(users::table).left_join(ended_generations::table.on(
        ended_generations::user_id.eq(sessions::user_id).and(ended_generations::generation.eq(sessions::generation)),
    ))
}

/// The session and the user of a row of [`with_ends`], under a policy.
pub(crate) fn authenticated(
    policy: &SessionPolicy,
    (session, user, end): StoredSession,
) -> Result<AuthenticatedSession, DataError> {
    let session = session.among(user.session_generation, end)?.under(policy.of(user.staff));
    Ok(AuthenticatedSession { session, user: read(user)? })
}

/// How many live sessions a user has, counted in an index, in a transaction that reads by index.
pub(crate) fn count(connection: &mut ReadConnection<'_>, user: UserId, now: Timestamp) -> QueryResult<u64> {
    let lasting = connection.lasting(user, now)?;
    let count: i64 = of_kinds(user, lasting).filter(Database::is_of_a_kind()).count().get_result(connection)?;
    Ok(count.unsigned_abs())
}

/// Which sessions are live, at most so many.
pub(crate) fn some(
    connection: &mut ReadConnection<'_>,
    user: UserId,
    now: Timestamp,
    most: i64,
) -> QueryResult<Vec<Vec<u8>>> {
    connection.load_prepared(SomeLive { user: user.number(), now: now.unix_millis(), most })
}

/// Some of each kind: those that expire first are read first, which is the order of the index.
#[derive(Debug, QueryId)]
struct SomeLive {
    user: i64,
    now: i64,
    most: i64,
}

impl ReadingQuery for SomeLive {}

impl diesel::RunQueryDsl<Connection> for SomeLive {}

impl diesel::query_builder::Query for SomeLive {
    type SqlType = Binary;
}

impl<DB> QueryFragment<DB> for SomeLive
where
    DB: Backend + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("SELECT uuid FROM (");
        for kind in OpenSessionKind::ALL {
            if kind != OpenSessionKind::ALL[0] {
                out.push_sql(" UNION ALL ");
            }
            out.push_sql("SELECT uuid FROM (SELECT uuid FROM sessions WHERE user_id = ");
            out.push_bind_param::<BigInt, _>(&self.user)?;
            out.push_sql(" AND generation = (SELECT session_generation FROM users WHERE users.id = ");
            out.push_bind_param::<BigInt, _>(&self.user)?;
            out.push_sql(&format!(") AND kind = {} AND expires_at > ", kind.number()));
            out.push_bind_param::<BigInt, _>(&self.now)?;
            // No parameter alone: see `Paged`.
            out.push_sql(" ORDER BY expires_at LIMIT +");
            out.push_bind_param::<BigInt, _>(&self.most)?;
            out.push_sql(") AS of_kind");
        }
        out.push_sql(") AS live LIMIT +");
        out.push_bind_param::<BigInt, _>(&self.most)
    }
}

/// Which sessions of a kind are live, at most so many. Those that expire first are read first, which is the order of
/// the index: this reads no more than it returns.
pub(crate) fn some_of_kind(
    connection: &mut ReadConnection<'_>,
    user: UserId,
    kind: OpenSessionKind,
    now: Timestamp,
    most: i64,
) -> QueryResult<Vec<Vec<u8>>> {
    let of_kind = of_kinds(user, connection.lasting(user, now)?).filter(sessions::kind.eq(kind.number()));
    let in_order = of_kind.order(sessions::expires_at.asc()).select(sessions::uuid);
    Paged::new(in_order, most, 0).load(connection)
}
