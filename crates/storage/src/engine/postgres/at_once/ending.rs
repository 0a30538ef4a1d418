//! Ending sessions: the user is locked, the sessions end, that is recorded, and last of all numbered, in one round trip.
//!
//! Where sessions are named, each that the caller may know of is seen; it is locked before its generation is looked at, so
//! that what moved it on meanwhile does not spare it. Where all are to end, they are those that the statement sees.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Text};
use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::ports::Invalidation;

use super::{generation, record, unchanged};
use crate::engine::postgres::change_log::{NumberOne, USER_PARTITIONS};
use crate::engine::{EndedAtOnce, EndedSessions, SessionsEnding};
use crate::rows::{NewAuditRow, NewChange, Numbered, OpenSessionKind};

/// Ends sessions of a user. All of it or nothing.
struct EndSessions<'a> {
    user: i64,
    which: &'a EndedSessions,
    at: i64,
    why: &'static str,
    record: NewAuditRow,
    number: NumberOne,
}

impl QueryId for EndSessions<'_> {
    type QueryId = ();

    // The text depends on what is named.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for EndSessions<'_> {
    /// Whether the user was as demanded, how many sessions there were to choose from, how many have ended, and the number
    /// of the change.
    type SqlType = (BigInt, BigInt, BigInt, BigInt);
}

impl RunQueryDsl<PgConnection> for EndSessions<'_> {}

impl QueryFragment<Pg> for EndSessions<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.choose(out.reborrow())?;
        self.lock(out.reborrow())?;
        self.end(out.reborrow())?;
        record(&self.record, "ended", "FALSE", out.reborrow())?;
        // Only once all records are there is the counter locked, if there are any.
        out.push_sql(", ");
        self.number.parts(" AND (SELECT count(*) FROM recorded) > 0", out.reborrow())?;
        // A change that cannot be numbered must not be made: to divide by nothing undoes the statement.
        out.push_sql(
            " SELECT (SELECT count(*) FROM owner), (SELECT count(*) FROM chosen), \
             CASE WHEN (SELECT count(*) FROM ended) = 0 THEN 0 \
             ELSE (SELECT count(*) FROM ended) / (SELECT count(*) FROM logged) END, \
             COALESCE((SELECT number FROM counted), 0)",
        );
        Ok(())
    }
}

impl<'a> EndSessions<'a> {
    fn new(ending: &'a SessionsEnding) -> Self {
        let SessionsEnding { user, which, why, action } = ending;
        let why = why.name();
        let record = NewAuditRow::new(action, AuditKind::SessionEnded, Some(why.to_owned())).of_user((*user).into());
        let number = NumberOne::new(&NewChange::new(Invalidation::User(*user), USER_PARTITIONS));
        Self { user: user.number(), which, at: action.at.unix_millis(), why, record, number }
    }

    /// Those that may end, by their ids or their uuids.
    fn choose<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH chosen AS MATERIALIZED (SELECT ");
        match self.which {
            EndedSessions::Ids(ids) => {
                if let [id] = ids.as_slice() {
                    // By far the most usual.
                    out.push_bind_param::<BigInt, _>(id)?;
                    out.push_sql("::bigint AS id");
                } else {
                    out.push_sql("id FROM unnest(");
                    out.push_bind_param::<Array<BigInt>, _>(ids)?;
                    out.push_sql("::bigint[]) AS named (id)");
                }
            }
            EndedSessions::All { most, .. } => {
                // One more than there may be tells whether there are more.
                let limit = format!(" LIMIT {}", most + 1);
                out.push_sql("uuid FROM (");
                for kind in OpenSessionKind::ALL {
                    if kind != OpenSessionKind::ALL[0] {
                        out.push_sql(" UNION ALL ");
                    }
                    out.push_sql("(SELECT uuid FROM sessions WHERE user_id = ");
                    out.push_bind_param::<BigInt, _>(&self.user)?;
                    out.push_sql(" AND generation = ");
                    generation(&self.user, out.reborrow())?;
                    out.push_sql(&format!(" AND kind = {} AND expires_at > ", kind.number()));
                    out.push_bind_param::<BigInt, _>(&self.at)?;
                    // Those that expire first are read first, which is the order of the index.
                    out.push_sql(&format!(" ORDER BY expires_at{limit})"));
                }
                out.push_sql(&format!(") AS live{limit}"));
            }
        }
        out.push_sql(")");
        Ok(())
    }

    fn lock<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(", owner AS (UPDATE users SET session_changes = session_changes + 1 WHERE id = ");
        out.push_bind_param::<BigInt, _>(&self.user)?;
        if let EndedSessions::All { most, .. } = self.which {
            unchanged(&self.user, out.reborrow())?;
            out.push_sql(&format!(" AND (SELECT count(*) FROM chosen) <= {most}"));
        }
        out.push_sql(" RETURNING id, uuid, session_generation)");
        Ok(())
    }

    /// The sessions are locked in whichever generation they are by then, and end if that is the user's. Those that were
    /// of an earlier one before are left alone: their rows are others' to write.
    fn end<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // Each is looked up by itself: together the planner, which does not know whose they are, would read all others of
        // the user's, too.
        out.push_sql(
            ", named AS MATERIALIZED (SELECT found.uuid, found.generation FROM chosen \
             CROSS JOIN LATERAL (SELECT sessions.uuid, sessions.generation FROM sessions \
             WHERE sessions.user_id = (SELECT id FROM owner) AND ",
        );
        match self.which {
            EndedSessions::Ids(_) => out.push_sql("sessions.id = chosen.id"),
            EndedSessions::All { keep, .. } => {
                out.push_sql("sessions.uuid = chosen.uuid");
                if let Some(keep) = keep {
                    out.push_sql(" AND chosen.uuid <> ");
                    out.push_bind_param::<Binary, _>(keep)?;
                }
            }
        }
        out.push_sql(" AND sessions.generation >= ");
        generation(&self.user, out.reborrow())?;
        out.push_sql(" AND sessions.ended_at IS NULL AND sessions.expires_at > ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(" FOR UPDATE) AS found), ended AS (UPDATE sessions SET ended_at = ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(", updated_at = ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(", ended_by = ");
        out.push_bind_param::<Text, _>(&self.record.actor)?;
        out.push_sql(", end_reason = ");
        out.push_bind_param::<Text, _>(&self.why)?;
        out.push_sql(
            " FROM named WHERE named.generation = (SELECT session_generation FROM owner) AND sessions.uuid = named.uuid \
             RETURNING sessions.uuid, sessions.id, sessions.expires_at)",
        );
        Ok(())
    }
}

/// Ends sessions.
pub(in crate::engine::postgres) fn end_sessions(
    connection: &mut PgConnection,
    ending: &SessionsEnding,
) -> QueryResult<EndedAtOnce> {
    let statement = EndSessions::new(ending);
    let partition = statement.number.partition();
    let (owners, chosen, ended, number): (i64, i64, i64, i64) = statement.get_result(connection)?;
    match &ending.which {
        EndedSessions::All { most, .. } if chosen > *most => return Ok(EndedAtOnce::TooMany),
        EndedSessions::All { .. } if owners == 0 => return Ok(EndedAtOnce::Undone),
        EndedSessions::All { .. } | EndedSessions::Ids(_) => {}
    }
    let numbered = Numbered { partition, first: number, last: number };
    if let Some(outdated) = numbered.outdated().filter(|_| ended > 0) {
        // The change is made, whatever comes of this.
        diesel::delete(outdated).execute(connection).ok();
    }
    Ok(EndedAtOnce::Done(ended.unsigned_abs()))
}
