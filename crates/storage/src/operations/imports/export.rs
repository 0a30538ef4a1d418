//! Accounts on their way out.

use std::collections::HashMap;

use thunderhead_domain::id::UserId;
use thunderhead_domain::import::ExportedAccount;
use thunderhead_domain::user::PasswordHash;

use super::operations::{Query, ReadConnection, on_primary};
use crate::dsl::*;
use crate::rows::{FactorRow, UserRow, factor_keys};
use crate::schema::{second_factors, users};
use crate::unreadable::read;

/// The next accounts by id. One that cannot be read is left out, and logged.
pub(super) fn page(
    connection: &mut ReadConnection<'_>,
    after: Option<UserId>,
    limit: u32,
) -> QueryResult<Vec<ExportedAccount>> {
    let first = after.map_or(0, |after| after.number().saturating_add(1));
    let rows: Vec<(UserRow, String)> = on_primary(users::table.filter(users::id.ge(first)))
        .order(users::id.asc())
        .limit(i64::from(limit))
        .select((UserRow::as_select(), users::password_hash))
        .load(connection)?;
    let ids: Vec<i64> = rows.iter().map(|(row, _)| row.id).collect();
    let factors: Vec<(i64, FactorRow)> = second_factors::table
        .filter(second_factors::user_id.eq_any(ids))
        .order((second_factors::user_id.asc(), second_factors::created_at.asc(), second_factors::id.asc()))
        .select((second_factors::user_id, FactorRow::as_select()))
        .load(connection)?;
    let mut of_users: HashMap<i64, Vec<FactorRow>> = HashMap::new();
    for (user, factor) in factors {
        of_users.entry(user).or_default().push(factor);
    }
    let account = |(row, hash): (UserRow, String)| {
        let factors = of_users.remove(&row.id).unwrap_or_default();
        let (totp, _) = factor_keys(&factors);
        let password = row.has_password.then(|| PasswordHash::new(hash));
        read(row).ok().map(|user| ExportedAccount { user, password, totp })
    };
    Ok(rows.into_iter().filter_map(account).collect())
}
