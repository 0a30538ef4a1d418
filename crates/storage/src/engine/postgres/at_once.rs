//! Ending sessions by one statement, which is a transaction of its own: the user is locked, the sessions end, that is
//! recorded, and last of all numbered, in one round trip. Nothing stays locked while an answer is on its way.
//!
//! These are the only statements on Postgres that change what session checks depend on and are no method of a
//! `WriteTransaction`. Each ends by putting its change into the log ([`EndSessions`]), and fails where it cannot.
//!
//! One statement sees one state of the database, which is older than what the lock on the user waited for. So what has
//! come up meanwhile must not matter. Where sessions are named, each that the caller may know of is seen; it is locked
//! before its generation is looked at, so that what moved it on meanwhile does not spare it. Where all are to end, the
//! user must have the count of changes that they were listed at: with another one the caller does it in a transaction.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};
use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::ports::Invalidation;

use super::change_log::{NumberOne, USER_PARTITIONS};
use crate::engine::{EndedSessions, SessionsEnding};
use crate::rows::{NewChange, Numbered, OpenSessionKind};
use crate::text;

/// Which sessions are named.
enum Named {
    Ids(Vec<i64>),
    /// All that were listed when the user had this many changes.
    Listed {
        uuids: Vec<Vec<u8>>,
        changes: i64,
    },
}

/// Ends sessions of a user. All of it or nothing.
struct EndSessions {
    user: i64,
    named: Named,
    at: i64,
    by: String,
    client_ip: Option<String>,
    why: &'static str,
    kind: &'static str,
    number: NumberOne,
}

impl QueryId for EndSessions {
    type QueryId = ();

    // The text depends on what is named.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for EndSessions {
    /// Whether the user was as demanded, how many sessions have ended, and the number of the change.
    type SqlType = (BigInt, BigInt, BigInt);
}

impl RunQueryDsl<PgConnection> for EndSessions {}

impl QueryFragment<Pg> for EndSessions {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.end(out.reborrow())?;
        self.record(out.reborrow())?;
        self.number(out.reborrow())?;
        // A change that cannot be numbered must not be made: to divide by nothing undoes the statement.
        out.push_sql(
            " SELECT (SELECT count(*) FROM owner), \
             CASE WHEN (SELECT count(*) FROM ended) = 0 THEN 0 \
             ELSE (SELECT count(*) FROM ended) / (SELECT count(*) FROM logged) END, \
             COALESCE((SELECT number FROM counted), 0)",
        );
        Ok(())
    }
}

impl EndSessions {
    fn new(ending: &SessionsEnding, named: Named) -> Self {
        let action = &ending.action;
        let change = NewChange::new(Invalidation::User(ending.user), USER_PARTITIONS);
        Self {
            user: ending.user.number(),
            named,
            at: action.at.unix_millis(),
            by: text::actor_text(action.by),
            client_ip: action.client_ip.map(text::address_text),
            why: ending.why.name(),
            kind: AuditKind::SessionEnded.name(),
            number: NumberOne::new(&change),
        }
    }

    /// The sessions are locked in whichever generation they are by then, and end if that is the user's. Those that were
    /// of an earlier one before are left alone: their rows are others' to write.
    fn end<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH owner AS (UPDATE users SET session_changes = session_changes + 1 WHERE id = ");
        out.push_bind_param::<BigInt, _>(&self.user)?;
        if let Named::Listed { changes, .. } = &self.named {
            out.push_sql(" AND session_changes = ");
            out.push_bind_param::<BigInt, _>(changes)?;
        }
        out.push_sql(
            " RETURNING id, uuid, session_generation), \
             named AS MATERIALIZED (SELECT found.uuid, found.generation FROM owner CROSS JOIN unnest(",
        );
        // Each is looked up by itself: together the planner, which does not know whose they are, would read all others of
        // the user's, too.
        let is_named = match &self.named {
            Named::Ids(ids) => {
                out.push_bind_param::<Array<BigInt>, _>(ids)?;
                "::bigint[]) AS wanted (id) CROSS JOIN LATERAL (SELECT sessions.uuid, sessions.generation FROM sessions \
                 WHERE sessions.user_id = owner.id AND sessions.id = wanted.id"
            }
            Named::Listed { uuids, .. } => {
                out.push_bind_param::<Array<Binary>, _>(uuids)?;
                "::bytea[]) AS wanted (uuid) CROSS JOIN LATERAL (SELECT sessions.uuid, sessions.generation FROM sessions \
                 WHERE sessions.user_id = owner.id AND sessions.uuid = wanted.uuid"
            }
        };
        out.push_sql(is_named);
        out.push_sql(" AND sessions.generation >= (SELECT session_generation FROM users WHERE users.id = ");
        out.push_bind_param::<BigInt, _>(&self.user)?;
        out.push_sql(") AND sessions.ended_at IS NULL AND sessions.expires_at > ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(" FOR UPDATE) AS found), ended AS (UPDATE sessions SET ended_at = ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(", updated_at = ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(", ended_by = ");
        out.push_bind_param::<Text, _>(&self.by)?;
        out.push_sql(", end_reason = ");
        out.push_bind_param::<Text, _>(&self.why)?;
        out.push_sql(
            " FROM named, owner WHERE named.generation = owner.session_generation AND sessions.uuid = named.uuid \
             RETURNING sessions.uuid, sessions.id, sessions.expires_at)",
        );
        Ok(())
    }

    fn record<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            ", recorded AS (INSERT INTO audit (at, actor, client_ip, kind, user_id, user_uuid, session_uuid, session_id, \
             session_expires_at, feed_number, detail) SELECT ",
        );
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&self.by)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(&self.client_ip)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&self.kind)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.user)?;
        out.push_sql(", owner.uuid, ended.uuid, ended.id, ended.expires_at, 0, ");
        out.push_bind_param::<Text, _>(&self.why)?;
        out.push_sql(" FROM ended CROSS JOIN owner RETURNING 1)");
        Ok(())
    }

    /// Only once all records are there is the counter locked, if there are any.
    fn number<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(", ");
        self.number.parts(" AND (SELECT count(*) FROM recorded) > 0", out)
    }
}

/// A user's live sessions, some of each kind at most, with how many changes of them there have been.
#[derive(QueryId)]
struct LiveSessions {
    user: i64,
    now: i64,
    most: i64,
}

impl Query for LiveSessions {
    type SqlType = (BigInt, Array<Binary>);
}

impl RunQueryDsl<PgConnection> for LiveSessions {}

impl QueryFragment<Pg> for LiveSessions {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT session_changes, ARRAY (SELECT uuid FROM (");
        for kind in OpenSessionKind::ALL {
            if kind != OpenSessionKind::ALL[0] {
                out.push_sql(" UNION ALL ");
            }
            // Those that expire first are read first, which is the order of the index.
            out.push_sql(
                "(SELECT uuid FROM sessions WHERE user_id = users.id AND generation = users.session_generation AND kind = ",
            );
            out.push_sql(&kind.number().to_string());
            out.push_sql(" AND expires_at > ");
            out.push_bind_param::<BigInt, _>(&self.now)?;
            out.push_sql(" ORDER BY expires_at LIMIT ");
            out.push_bind_param::<BigInt, _>(&self.most)?;
            out.push_sql(")");
        }
        out.push_sql(") AS live LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.most)?;
        out.push_sql(") FROM users WHERE id = ");
        out.push_bind_param::<BigInt, _>(&self.user)
    }
}

/// What is to be ended by one statement; `None` where that cannot be told, or is too much.
fn name(connection: &mut PgConnection, ending: &SessionsEnding) -> QueryResult<Option<Named>> {
    let (keep, most) = match &ending.which {
        EndedSessions::Ids(ids) => return Ok(Some(Named::Ids(ids.clone()))),
        EndedSessions::All { keep, most } => (keep.as_deref(), *most),
    };
    let listing = LiveSessions { user: ending.user.number(), now: ending.action.at.unix_millis(), most: most + 1 };
    let Some((changes, mut uuids)): Option<(i64, Vec<Vec<u8>>)> = listing.load(connection)?.pop() else {
        return Ok(None);
    };
    if uuids.len() as i64 > most {
        return Ok(None);
    }
    uuids.retain(|uuid| Some(uuid.as_slice()) != keep);
    // One that is just being opened is waited for in a transaction.
    Ok((!uuids.is_empty()).then_some(Named::Listed { uuids, changes }))
}

/// Ends sessions; `begin` is called before anything is changed. `None` where nothing was done, because one statement
/// cannot do it.
pub(super) fn end_sessions(
    connection: &mut PgConnection,
    ending: &SessionsEnding,
    begin: impl FnOnce(),
) -> QueryResult<Option<u64>> {
    let Some(named) = name(connection, ending)? else { return Ok(None) };
    let listed = matches!(named, Named::Listed { .. });
    let statement = EndSessions::new(ending, named);
    let partition = statement.number.partition();
    begin();
    let (owners, ended, number): (i64, i64, i64) = statement.get_result(connection)?;
    if listed && owners == 0 {
        return Ok(None);
    }
    let numbered = Numbered { partition, first: number, last: number };
    if let Some(outdated) = numbered.outdated().filter(|_| ended > 0) {
        // The change is made, whatever comes of this.
        diesel::delete(outdated).execute(connection).ok();
    }
    Ok(Some(ended.unsigned_abs()))
}
