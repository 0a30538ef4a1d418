//! Second factors and backup codes.

use async_trait::async_trait;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::select;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::change_authorization::{ChangeAuthorization, Refusal};
use thunderhead_domain::factor::{Factor, FactorChoice, FactorId, FactorKeys, MOST_FACTORS, NewFactor};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{ChangeResult, Enrolled, Factors, Page, PageRequest, Stored};
use thunderhead_domain::session::TokenDigest;
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use super::engine::{lock_user, on_primary};
use super::{Connection, Database, audit, change_authorization};
use crate::error::OperationError;
use crate::rows::{FactorRow, UserRow, factor_keys, skip};
use crate::schema::{backup_codes, second_factors, users};
use crate::unreadable::{read, readable};

#[async_trait]
impl Factors for Database {
    async fn factor_find(&self, user: UserId, id: FactorId) -> Stored<Option<Factor>> {
        self.read(move |connection| {
            let named = on_primary(second_factors::table.find(id.0.as_bytes().as_slice()))
                .filter(second_factors::user_id.eq(user.number()));
            let row: Option<FactorRow> = named.select(FactorRow::as_select()).get_result(connection).optional()?;
            Ok(row.map(read).transpose()?)
        })
        .await
    }

    async fn factor_page(&self, user: UserId, page: PageRequest) -> Stored<Page<Factor>> {
        self.snapshot(move |connection| {
            let own = second_factors::table.filter(second_factors::user_id.eq(user.number()));
            let count: i64 = on_primary(own).count().get_result(connection)?;
            let rows: Vec<FactorRow> = own
                .order((second_factors::created_at.desc(), second_factors::id.desc()))
                .limit(i64::from(page.limit))
                .offset(skip(page.offset))
                .select(FactorRow::as_select())
                .load(connection)?;
            let items = readable(rows);
            Ok(Page { count: count.unsigned_abs(), items })
        })
        .await
    }

    async fn factor_keys(&self, user: UserId) -> Stored<FactorKeys> {
        self.snapshot(move |connection| {
            let own = second_factors::table.filter(second_factors::user_id.eq(user.number()));
            let rows: Vec<FactorRow> = on_primary(own).select(FactorRow::as_select()).load(connection)?;
            let digests: Vec<Vec<u8>> = backup_codes::table
                .filter(backup_codes::user_id.eq(user.number()).and(backup_codes::spent_at.is_null()))
                .select(backup_codes::digest)
                .load(connection)?;
            // Their length is what the table demands.
            let backup = digests.into_iter().filter_map(|bytes| bytes.try_into().ok().map(TokenDigest)).collect();
            let (totp, webauthn) = factor_keys(&rows);
            Ok(FactorKeys { totp, webauthn, backup })
        })
        .await
    }

    async fn factor_add(
        &self,
        user: UserId,
        factor: NewFactor,
        codes: Vec<TokenDigest>,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<Enrolled> {
        self.decide(move |connection| add(connection, user, &factor, &codes, &authorization)).await
    }

    async fn factor_remove(
        &self,
        user: UserId,
        which: FactorChoice,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<u64> {
        self.decide(move |connection| remove(connection, user, &which, &authorization)).await
    }

    async fn backup_codes_renew(
        &self,
        user: UserId,
        codes: Vec<TokenDigest>,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<()> {
        self.decide(move |connection| {
            let row = locked(connection, user, &authorization)?;
            if !row.has_second_factor {
                return Err(Refusal::FactorMissing.into());
            }
            store_codes(connection, user, &codes)?;
            Ok(audit::record(connection, &authorization.action, AuditKind::BackupCodesRenewed, user, None)?)
        })
        .await
    }
}

/// Everybody's encrypted secrets, with the ids of their factors.
pub(crate) fn all_sealed(connection: &mut Connection) -> QueryResult<Vec<(FactorId, String)>> {
    let columns = (second_factors::id, second_factors::sealed);
    let rows: Vec<(Vec<u8>, Option<String>)> = second_factors::table.select(columns).load(connection)?;
    let sealed = |(id, sealed): (Vec<u8>, Option<String>)| Some((FactorId(Uuid::from_slice(&id).ok()?), sealed?));
    Ok(rows.into_iter().filter_map(sealed).collect())
}

/// The row of the user whose factors change, locked, once it is clear that the authorization holds.
fn locked(
    connection: &mut Connection,
    user: UserId,
    authorization: &ChangeAuthorization,
) -> Result<UserRow, OperationError> {
    change_authorization::verify_and_consume(connection, authorization, &[user])?;
    Ok(lock_user(connection, user)?.ok_or(Refusal::Gone)?)
}

fn add(
    connection: &mut Connection,
    user: UserId,
    factor: &NewFactor,
    codes: &[TokenDigest],
    authorization: &ChangeAuthorization,
) -> Result<Enrolled, OperationError> {
    let owner = locked(connection, user, authorization)?;
    let (action, first) = (&authorization.action, !owner.has_second_factor);
    let count: i64 =
        second_factors::table.filter(second_factors::user_id.eq(user.number())).count().get_result(connection)?;
    if count >= MOST_FACTORS as i64 {
        return Err(Refusal::FactorsFull.into());
    }
    let row = FactorRow::new(user, factor, action.at);
    // The id is random, so what is taken already can only be the authenticator's name for its key.
    if diesel::insert_into(second_factors::table).values(&row).on_conflict_do_nothing().execute(connection)? == 0 {
        return Err(Refusal::FactorTaken.into());
    }
    if first {
        set_flag(connection, user, true, action.at)?;
        store_codes(connection, user, codes)?;
    }
    record(connection, action, AuditKind::FactorAdded, user, &row)?;
    // Who enrols a factor has shown it. The operator, who does so for somebody, has not.
    if let Some(preconditions) = &authorization.preconditions {
        change_authorization::prove_session(connection, preconditions, factor.material.kind().method(), action)?;
    }
    Ok(Enrolled { factor: row.try_into()?, first })
}

fn remove(
    connection: &mut Connection,
    user: UserId,
    which: &FactorChoice,
    authorization: &ChangeAuthorization,
) -> Result<u64, OperationError> {
    locked(connection, user, authorization)?;
    let action = &authorization.action;
    let own = || diesel::delete(second_factors::table.filter(second_factors::user_id.eq(user.number())));
    let bytes = |id: &FactorId| id.0.as_bytes().to_vec();
    let removed: Vec<FactorRow> = match which {
        FactorChoice::All => own().returning(FactorRow::as_select()).get_results(connection)?,
        FactorChoice::Some(ids) => {
            let ids: Vec<_> = ids.iter().map(bytes).collect();
            own().filter(second_factors::id.eq_any(ids)).returning(FactorRow::as_select()).get_results(connection)?
        }
        FactorChoice::One(id) => {
            own().filter(second_factors::id.eq(bytes(id))).returning(FactorRow::as_select()).get_results(connection)?
        }
    };
    if removed.is_empty() {
        return if matches!(which, FactorChoice::One(_)) { Err(Refusal::UnknownFactor.into()) } else { Ok(0) };
    }
    for row in &removed {
        record(connection, action, AuditKind::FactorRemoved, user, row)?;
    }
    let left = second_factors::table.filter(second_factors::user_id.eq(user.number()));
    if !select(exists(left)).get_result::<bool>(connection)? {
        set_flag(connection, user, false, action.at)?;
        void_codes(connection, user)?;
    }
    Ok(removed.len() as u64)
}

/// Records a factor by its kind and name.
fn record(
    connection: &mut Connection,
    action: &ActionContext,
    kind: AuditKind,
    user: UserId,
    factor: &FactorRow,
) -> QueryResult<()> {
    audit::record(connection, action, kind, user, Some(format!("{} {}", factor.kind, factor.name)))
}

fn set_flag(connection: &mut Connection, user: UserId, has: bool, at: Timestamp) -> QueryResult<()> {
    diesel::update(users::table.find(user.number()))
        .set((users::has_second_factor.eq(has), users::updated_at.eq(at.unix_millis())))
        .execute(connection)
        .map(drop)
}

/// Replaces whatever codes there are.
fn store_codes(connection: &mut Connection, user: UserId, codes: &[TokenDigest]) -> QueryResult<()> {
    void_codes(connection, user)?;
    let row = |code: &TokenDigest| (backup_codes::digest.eq(code.0.to_vec()), backup_codes::user_id.eq(user.number()));
    let rows: Vec<_> = codes.iter().map(row).collect();
    diesel::insert_into(backup_codes::table).values(&rows).execute(connection).map(drop)
}

fn void_codes(connection: &mut Connection, user: UserId) -> QueryResult<()> {
    diesel::delete(backup_codes::table.filter(backup_codes::user_id.eq(user.number()))).execute(connection).map(drop)
}
