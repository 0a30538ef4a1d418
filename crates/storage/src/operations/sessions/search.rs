//! Searching everybody's sessions, of whatever state, newest first.

use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::id::{SessionId, SessionUuid};
use thunderhead_domain::ports::{SessionCursor, SessionSearch};
use thunderhead_domain::search::KeysetPage;
use thunderhead_domain::session::SessionStatus;
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use super::operations::keyset::SearchPage;
use super::operations::live_sessions::Negation;
use super::operations::{Query, ReadConnection, live_sessions, on_primary};
use crate::dsl::*;
use crate::rows::{GenerationEndRow, SessionRow, UserRow};
use crate::schema::{ended_generations, sessions, users};
use crate::text;

/// How many sessions a search reads before it gives back what it has found. Each is read with its user.
const MOST_READ: i64 = 5_000;

/// A session with its user, unless that is gone, and with how its generation ended.
type FoundSession = (SessionRow, Option<UserRow>, Option<GenerationEndRow>);

/// Reads on in the order of the one index that the search is most likely narrowed by, and passes by what else does not
/// fit.
pub(crate) fn page(
    connection: &mut ReadConnection<'_>,
    search: &SessionSearch,
    after: Option<SessionCursor>,
    limit: u32,
    now: Timestamp,
) -> QueryResult<KeysetPage<AuthenticatedSession, SessionCursor>> {
    // Not knowing how many are asked for, Postgres would think of a tenth of all.
    connection.read_by_index()?;
    let (policy, indexed) = (connection.policy(), indexed(search));
    let fitting = |(session, user, end): FoundSession| {
        let found = live_sessions::authenticated(&policy, (session, user?, end)).ok()?;
        search.fits(&found.session, now).then_some(found)
    };
    SearchPage { after, limit, most_read: MOST_READ }.read(
        |after, limit| rows(connection, &indexed, after, limit),
        |(session, ..)| place(session),
        fitting,
    )
}

/// What is left to an index: a span of time, and one thing besides.
fn indexed(search: &SessionSearch) -> SessionSearch {
    let span = SessionSearch { since: search.since, until: search.until, ..SessionSearch::default() };
    let pending = SessionStatus::SecondFactorPending;
    match *search {
        SessionSearch { user: Some(user), .. } => SessionSearch { user: Some(user), ..span },
        SessionSearch { client_ip: Some(address), .. } => SessionSearch { client_ip: Some(address), ..span },
        SessionSearch { status: Some(status), .. } if status == pending => {
            SessionSearch { status: Some(pending), ..span }
        }
        SessionSearch { dialect, .. } => SessionSearch { dialect, ..span },
    }
}

/// Sessions without their users are among them, so that no more rows are looked at than are returned.
fn rows(
    connection: &mut ReadConnection<'_>,
    indexed: &SessionSearch,
    after: Option<SessionCursor>,
    limit: i64,
) -> QueryResult<Vec<FoundSession>> {
    let columns = (SessionRow::as_select(), Option::<UserRow>::as_select(), Option::<GenerationEndRow>::as_select());
    let with_users = sessions::table.left_join(users::table).left_join(ended_generations::table.on(
        ended_generations::user_id.eq(sessions::user_id).and(ended_generations::generation.eq(sessions::generation)),
    ));
    let mut query = on_primary(with_users.select(columns).into_boxed()).limit(limit);
    // As their index has it: more conditions than it needs would make Postgres think that there are few.
    let is_negated = !matches!(
        indexed,
        SessionSearch { user: Some(_), .. } | SessionSearch { client_ip: None, status: None, dialect: None, .. }
    );
    if let Some(SessionCursor { created_at, id, uuid }) = after {
        let (at, id) = (created_at.unix_millis(), id.number());
        let later_id = sessions::id.gt(id).or(sessions::id.eq(id).and(sessions::uuid.gt(uuid.0.as_bytes().to_vec())));
        // The first condition is what an index can begin at.
        query = if is_negated {
            query.filter(negated().ge(negative(at))).filter(negated().gt(negative(at)).or(later_id))
        } else {
            query.filter(sessions::created_at.le(at)).filter(sessions::created_at.lt(at).or(later_id))
        };
    }
    if let Some(since) = indexed.since.map(Timestamp::unix_millis) {
        query = if is_negated {
            query.filter(negated().le(negative(since)))
        } else {
            query.filter(sessions::created_at.ge(since))
        };
    }
    if let Some(until) = indexed.until.map(Timestamp::unix_millis) {
        query = if is_negated {
            query.filter(negated().gt(negative(until)))
        } else {
            query.filter(sessions::created_at.lt(until))
        };
    }
    query = match *indexed {
        SessionSearch { user: Some(user), .. } => query.filter(sessions::user_id.eq(user.number())),
        SessionSearch { client_ip: Some(address), .. } => {
            query.filter(sessions::client_ip.eq(text::address_text(address)))
        }
        // Word for word what their index says of them.
        SessionSearch { status: Some(_), .. } => {
            query.filter(sessions::second_factor_pending).filter(sessions::ended_at.is_null())
        }
        SessionSearch { dialect: Some(dialect), .. } => query.filter(sessions::dialect.eq(dialect.name())),
        SessionSearch { .. } => query,
    };
    match indexed.user {
        Some(_) => query.order((sessions::created_at.desc(), sessions::id.asc())),
        None if is_negated => query.order((negated(), sessions::id.asc(), sessions::uuid.asc())),
        None => query.order((sessions::created_at.desc(), sessions::id.asc(), sessions::uuid.asc())),
    }
    .load(connection)
}

fn negated() -> Negation<sessions::created_at> {
    Negation::new(sessions::created_at)
}

/// Whoever asks may name any moment.
const fn negative(millis: i64) -> i64 {
    millis.saturating_neg()
}

fn place(row: &SessionRow) -> SessionCursor {
    SessionCursor {
        created_at: Timestamp::from_unix_millis(row.created_at),
        id: SessionId::from_number(row.id),
        // The table takes none of another length.
        uuid: SessionUuid(Uuid::from_slice(&row.uuid).unwrap_or_default()),
    }
}
