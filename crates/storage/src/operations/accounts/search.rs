//! Finding users by what staff know of them. None of this reads more rows than it returns.

use std::collections::BTreeSet;

use thunderhead_domain::search::UsernamePrefix;
use thunderhead_domain::user::{User, Username};

use super::operations::{Connection, Query, ReadConnection, on_primary};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::UserRow;
use crate::schema::users;
use crate::unreadable::readable;

/// How many users one statement asks for: far fewer than there may be parameters.
const CHUNK: usize = 500;

pub(crate) fn newest(connection: &mut ReadConnection<'_>, limit: u32) -> Result<Vec<User>, OperationError> {
    let rows: Vec<UserRow> = on_primary(users::table.into_boxed())
        .order((users::created_at.desc(), users::id.desc()))
        .limit(i64::from(limit))
        .select(UserRow::as_select())
        .load(connection)?;
    Ok(readable(rows))
}

pub(crate) fn named(connection: &mut ReadConnection<'_>, ids: &BTreeSet<i64>) -> Result<Vec<User>, OperationError> {
    let mut found = Vec::new();
    for chunk in ids.iter().copied().collect::<Vec<_>>().chunks(CHUNK) {
        let among = on_primary(users::table.into_boxed()).filter(users::id.eq_any(chunk.to_vec()));
        let rows: Vec<UserRow> = among.select(UserRow::as_select()).load(connection)?;
        found.extend(readable(rows));
    }
    Ok(found)
}

/// Where rows cannot be read, others take their places: a page that is not full is the last one.
pub(crate) fn page(
    connection: &mut ReadConnection<'_>,
    prefix: &UsernamePrefix,
    after: Option<&Username>,
    limit: u32,
) -> Result<Vec<User>, OperationError> {
    let mut page: Vec<User> = Vec::new();
    let mut after = after.map(Username::key);
    loop {
        let wanted = (limit as usize).saturating_sub(page.len());
        let rows: Vec<(UserRow, String)> = beginning(prefix, after.as_deref())
            .order(users::username_key.asc())
            .limit(wanted as i64)
            .select((UserRow::as_select(), users::username_key))
            .load(connection)?;
        let full = wanted > 0 && rows.len() == wanted;
        let (rows, keys): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        page.extend(readable(rows));
        if !full || page.len() >= limit as usize {
            return Ok(page);
        }
        after = keys.into_iter().next_back();
    }
}

pub(crate) fn count(
    connection: &mut ReadConnection<'_>,
    prefix: &UsernamePrefix,
    most: u32,
) -> Result<u64, OperationError> {
    // What is counted is read, so that it can be told when to stop.
    let limited = beginning(prefix, None).order(users::username_key.asc()).limit(i64::from(most));
    let found: Vec<String> = limited.select(users::username_key).load(connection)?;
    Ok(found.len() as u64)
}

/// Names are compared byte by byte by both engines.
fn beginning(
    prefix: &UsernamePrefix,
    after: Option<&str>,
) -> users::BoxedQuery<'static, <Connection as diesel::Connection>::Backend> {
    let within = on_primary(users::table.into_boxed())
        .filter(users::username_key.ge(prefix.key().to_owned()))
        .filter(users::username_key.lt(prefix.end()));
    match after {
        None => within,
        Some(after) => within.filter(users::username_key.gt(after.to_owned())),
    }
}
