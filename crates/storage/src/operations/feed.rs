//! The feed: records of the audit trail, numbered after they were committed.
//!
//! Whoever numbers locks the one row of `feed_state`, and reads only then what was committed without a number. So nobody
//! numbers beside them, there are no gaps, and whoever sees a number sees all before it. Within a batch the order is that of
//! insertion, which is that of commits wherever one change has waited for the other.

use std::collections::HashMap;

use async_trait::async_trait;
use diesel::dsl::exists;
use diesel::sql_types::BigInt;
use thunderhead_domain::event::{Event, EventCursor};
use thunderhead_domain::ports::{Feed, FeedPage, FeedQuery, FeedStatus, Stored};
use thunderhead_domain::time::Timestamp;
use tracing::instrument;

use super::{Database, Query, ReadConnection, UncheckedStatement, WriteTransaction, on_primary, select_sql};
use crate::dsl::*;
use crate::engine::DatabaseEngine as _;
use crate::error::OperationError;
use crate::rows::{EventRow, FeedStateRow, THE_ONE};
use crate::schema::{audit, feed_state, sessions, users};
use crate::unreadable::read;

/// How many records are numbered in one transaction: the work of some milliseconds.
const BATCH: i64 = 500;
/// How many events one call looks at, where few of them are of the types that are asked for.
const MOST_LOOKED_AT: i64 = 10_000;

/// A record with the uuid and the name of its user, if there is still one.
type Found = (EventRow, Option<(Vec<u8>, String)>);

/// Conditions as the indexes have them. With a parameter in their places no planner would know that these indexes do.
mod conditions {
    diesel::postfix_operator!(IsPending, " = 0", diesel::sql_types::Bool);
    diesel::postfix_operator!(IsNumbered, " > 0", diesel::sql_types::Bool);
}

use conditions::{IsNumbered, IsPending};

fn is_numbered() -> IsNumbered<audit::feed_number> {
    IsNumbered::new(audit::feed_number)
}

#[async_trait]
impl Feed for Database {
    #[instrument(level = "debug", skip_all)]
    async fn feed_status(&self) -> Stored<FeedStatus> {
        self.read(|connection| {
            let pending = exists(audit::table.filter(IsPending::new(audit::feed_number)));
            let state = on_primary(feed_state::table.find(THE_ONE)).select((FeedStateRow::as_select(), pending));
            let (state, pending): (FeedStateRow, bool) = state.get_result(connection)?;
            Ok(state.status(pending))
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn feed_number(&self) -> Stored<u64> {
        self.write_alone(|transaction| Ok(number(transaction)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn feed_page(&self, query: FeedQuery) -> Stored<FeedPage> {
        self.snapshot(move |connection| page(connection, &query)).await
    }
}

#[derive(QueryableByName)]
struct Drawn {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// A number that no other history of the database has in the same place.
fn random(connection: &mut ReadConnection<'_>) -> QueryResult<i64> {
    let drawn: Vec<Drawn> = connection.load_sql(select_sql(format!("{} AS number", Database::RANDOM)))?;
    drawn.into_iter().next().map(|drawn| drawn.number).ok_or(diesel::NotFound)
}

fn number(transaction: &mut WriteTransaction<'_>) -> QueryResult<u64> {
    let state = transaction.lock_feed()?;
    let nonce = random(transaction)?;
    let numbered = transaction.number_records(EventCursor { number: state.latest, nonce }, BATCH)?;
    if numbered > 0 {
        let latest = (feed_state::latest.eq(state.latest + numbered), feed_state::latest_nonce.eq(nonce));
        diesel::update(feed_state::table.find(THE_ONE)).set(latest).execute(transaction)?;
    }
    Ok(numbered.unsigned_abs())
}

/// Deletes records from before a moment, at most so many; returns how many. A reader who has not come so far is told so:
/// the feed then begins after the last of them. Those that nobody has numbered yet, because nobody has read for all that
/// time, count as the latest.
pub(crate) fn prune(transaction: &mut WriteTransaction<'_>, before: Timestamp, most: i64) -> QueryResult<u64> {
    let state = transaction.lock_feed()?;
    let pruned = transaction.prune_records(before, most)?;
    let pending = pruned.iter().filter(|row| row.feed_number == Some(0)).count() as i64;
    let last = pruned.iter().filter_map(|row| Some((row.feed_number?, row.feed_nonce?))).max();
    if pending > 0 {
        let (latest, nonce) = (state.latest + pending, random(transaction)?);
        let moved = (
            feed_state::latest.eq(latest),
            feed_state::latest_nonce.eq(nonce),
            feed_state::pruned_to.eq(latest),
            feed_state::pruned_nonce.eq(nonce),
        );
        diesel::update(feed_state::table.find(THE_ONE)).set(moved).execute(transaction)?;
    } else if let Some((number, nonce)) = last.filter(|(number, _)| *number > state.pruned_to) {
        let moved = (feed_state::pruned_to.eq(number), feed_state::pruned_nonce.eq(nonce));
        diesel::update(feed_state::table.find(THE_ONE)).set(moved).execute(transaction)?;
    }
    Ok(pruned.len() as u64)
}

fn page(connection: &mut ReadConnection<'_>, query: &FeedQuery) -> Result<FeedPage, OperationError> {
    let state: FeedStateRow =
        on_primary(feed_state::table.find(THE_ONE)).select(FeedStateRow::as_select()).get_result(connection)?;
    let after = query.after.unwrap_or(state.first());
    if !is_of_this_history(connection, state, after)? {
        return Ok(FeedPage::Gone { first: state.first() });
    }
    let to = state.latest.min(after.number.saturating_add(MOST_LOOKED_AT));
    let kinds: Vec<_> = query.types.kinds().map(|kind| kind.name()).collect();
    let rows: Vec<Found> = audit::table
        .left_join(users::table.on(users::id.nullable().eq(audit::user_id)))
        .filter(is_numbered().and(audit::feed_number.gt(after.number)).and(audit::feed_number.le(to)))
        // As it is not in an index: very many records may be of these kinds.
        .filter(audit::kind.concat("").eq_any(kinds))
        .order(audit::feed_number.asc())
        .limit(i64::from(query.limit))
        .select((EventRow::as_select(), (users::uuid, users::username).nullable()))
        .load(connection)?;
    let next = match rows.last() {
        Some((last, _)) if rows.len() as i64 >= i64::from(query.limit) => last.cursor(),
        _ => at(connection, state, after, to)?,
    };
    let items = events(connection, rows, query.personal)?;
    Ok(FeedPage::Page { items, next, more: next.number < state.latest })
}

/// Whether all that came before a place is what its reader has seen, and all that came after it is kept.
fn is_of_this_history(
    connection: &mut ReadConnection<'_>,
    state: FeedStateRow,
    place: EventCursor,
) -> QueryResult<bool> {
    if place == state.first() || place == state.latest() {
        return Ok(true);
    }
    let is_kept = place.number > state.pruned_to && place.number < state.latest;
    Ok(is_kept && nonce_of(connection, place.number)? == Some(place.nonce))
}

/// The place of a number, up to which was looked from another one on.
fn at(
    connection: &mut ReadConnection<'_>,
    state: FeedStateRow,
    after: EventCursor,
    number: i64,
) -> QueryResult<EventCursor> {
    if number <= after.number {
        return Ok(after);
    }
    if number == state.latest {
        return Ok(state.latest());
    }
    let nonce = nonce_of(connection, number)?.ok_or(diesel::NotFound)?;
    Ok(EventCursor { number, nonce })
}

fn nonce_of(connection: &mut ReadConnection<'_>, number: i64) -> QueryResult<Option<i64>> {
    let named = audit::table.filter(is_numbered().and(audit::feed_number.eq(number))).select(audit::feed_nonce);
    let nonce: Option<Option<i64>> = named.get_result(connection).optional()?;
    Ok(nonce.flatten())
}

/// What the rows tell. One that this version cannot read – it was written by a newer one, which has types of events that
/// nobody here can have asked for, or by hand – is left out.
fn events(connection: &mut ReadConnection<'_>, rows: Vec<Found>, personal: bool) -> QueryResult<Vec<Event>> {
    let agents = if personal { user_agents(connection, &rows)? } else { HashMap::new() };
    let event = |(row, user): Found| {
        let (uuid, username) = user.unzip();
        let told = personal.then(|| {
            let agent = row.opened_session().and_then(|session| agents.get(session)).cloned();
            row.personal(username, agent)
        });
        let mut event: Event = read(row.with_user_uuid(uuid)).ok()?;
        event.data.personal = told;
        Some(event)
    };
    Ok(rows.into_iter().filter_map(event).collect())
}

/// The user agents of the sessions whose opening is told.
fn user_agents(connection: &mut ReadConnection<'_>, rows: &[Found]) -> QueryResult<HashMap<Vec<u8>, String>> {
    let opened: Vec<_> = rows.iter().filter_map(|(row, _)| row.opened_session()).collect();
    let known = sessions::table.filter(sessions::uuid.eq_any(opened)).select((sessions::uuid, sessions::user_agent));
    let known: Vec<(Vec<u8>, Option<String>)> = known.load(connection)?;
    Ok(known.into_iter().filter_map(|(uuid, agent)| Some((uuid, agent?))).collect())
}
