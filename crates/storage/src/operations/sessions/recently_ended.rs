//! A user's sessions that have ended of late.

use diesel::dsl::{not, sql};
use diesel::sql_types::BigInt;
use thunderhead_domain::id::UserId;
use thunderhead_domain::session::Session;
use thunderhead_domain::time::Timestamp;

use super::operations::lasting::Lasting;
use super::operations::{Query, ReadConnection, on_primary};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::SessionRow;
use crate::schema::{sessions, users};

/// So many of those whose rows do not say yet that they are over are read for each that is wanted: others among them
/// have expired.
const READ_FOR_EACH: u32 = 4;

/// A user's sessions that somebody, or the policy, ended before they had expired, those that ended last first.
pub(crate) fn recently_ended(
    connection: &mut ReadConnection<'_>,
    user: UserId,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Session>, OperationError> {
    let of_user = on_primary(sessions::table.filter(sessions::user_id.eq(user.number())));
    let rows: Vec<SessionRow> = of_user
        // Word for word what their index says of them. What had expired when others were ended, nobody has ended.
        .filter(sessions::ended_at.lt(sessions::expires_at.nullable()))
        .order((sessions::ended_at.desc(), sessions::uuid.asc()))
        .limit(i64::from(limit))
        .select(SessionRow::as_select())
        .load(connection)?;
    let mut ended: Vec<Session> = rows.into_iter().filter_map(|row| row.of_current().ok()).collect();
    if connection.policy().ends_sessions() {
        ended.extend(by_policy(connection, user, limit, now)?);
        ended.sort_by_key(|session| std::cmp::Reverse(session.end(now).map(|end| end.at)));
        ended.truncate(limit as usize);
    }
    Ok(ended)
}

/// Those that the policy has ended, and whose rows do not say so yet.
fn by_policy(
    connection: &mut ReadConnection<'_>,
    user: UserId,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Session>, OperationError> {
    let limits = connection.limits_of(user)?;
    let lasting: Lasting = connection.lasting(user, now)?;
    let current = users::table.find(user.number()).select(users::session_generation).single_value();
    let rows: Vec<SessionRow> = on_primary(sessions::table.filter(sessions::user_id.eq(user.number())))
        .filter(sessions::generation.nullable().eq(current))
        .filter(sessions::ended_at.is_null().and(not(lasting)))
        .order(sql::<BigInt>("COALESCE(used_at, created_at)").desc())
        .limit(i64::from(limit.saturating_mul(READ_FOR_EACH)))
        .select(SessionRow::as_select())
        .load(connection)?;
    let sessions = rows.into_iter().filter_map(|row| Some(row.of_current().ok()?.under(&limits)));
    Ok(sessions.filter(|session| session.end(now).is_some()).collect())
}
