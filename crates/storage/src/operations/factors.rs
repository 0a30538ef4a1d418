//! Second factors and backup codes.

use async_trait::async_trait;
use diesel::dsl::exists;
use diesel::select;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::change_authorization::{ChangeAuthorization, Preconditions, Refusal};
use thunderhead_domain::factor::{
    Factor, FactorChoice, FactorId, FactorKeys, ImportedCodeId, MOST_FACTORS, NewFactor, OtherSessions, UnspentCodes,
    WebauthnKey,
};
use thunderhead_domain::id::{UserId, UserUuid};
use thunderhead_domain::network::Network;
use thunderhead_domain::ports::{
    ChangeResult, Enrolled, Factors, Invalidation, Page, PageRequest, SealedRow, SealedText, Stored,
};
use thunderhead_domain::session::{EndReason, TokenDigest};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;
use tracing::instrument;
use uuid::Uuid;

use super::change_authorization::{prove_session, verify_and_lock};
use super::sessions::revoke::{self, Tally};
use super::{Database, Query, ReadConnection, UncheckedStatement, WriteTransaction, known, on_primary};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::{FactorRow, UserRow, factor_keys, imported_code, skip, webauthn_key};
use crate::schema::{backup_codes, imported_codes, known_networks, second_factors, users};
use crate::unreadable::{read, readable};

#[async_trait]
impl Factors for Database {
    #[instrument(level = "debug", skip_all)]
    async fn factor_find(&self, user: UserId, id: FactorId) -> Stored<Option<Factor>> {
        self.read(move |connection| {
            let named = on_primary(second_factors::table.find(id.0.as_bytes().as_slice()))
                .filter(second_factors::user_id.eq(user.number()));
            let row: Option<FactorRow> = named.select(FactorRow::as_select()).get_result(connection).optional()?;
            Ok(row.map(read).transpose()?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
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

    #[instrument(level = "debug", skip_all)]
    async fn factor_list(&self, user: UserId) -> Stored<Vec<Factor>> {
        self.read(move |connection| {
            let own = on_primary(second_factors::table.filter(second_factors::user_id.eq(user.number())));
            let newest_first = own.order((second_factors::created_at.desc(), second_factors::id.desc()));
            Ok(readable(newest_first.select(FactorRow::as_select()).load::<FactorRow>(connection)?))
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn backup_codes_left(&self, user: UserId) -> Stored<UnspentCodes> {
        self.snapshot(move |connection| Ok(codes_left(connection, user)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn factor_keys(&self, user: UserId) -> Stored<FactorKeys> {
        self.snapshot(move |connection| {
            let own = second_factors::table.filter(second_factors::user_id.eq(user.number()));
            let rows: Vec<FactorRow> = on_primary(own).select(FactorRow::as_select()).load(connection)?;
            let backup = codes_left(connection, user)?;
            let (totp, webauthn) = factor_keys(&rows);
            Ok(FactorKeys { totp, webauthn, backup })
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn passkey_find(
        &self,
        user: UserUuid,
        credential_id: &[u8],
        network: Option<Network>,
        now: Timestamp,
    ) -> Stored<Option<(User, WebauthnKey, bool)>> {
        let credential_id = credential_id.to_vec();
        self.read(move |connection| {
            let named = on_primary(second_factors::table.inner_join(users::table))
                .filter(second_factors::credential_id.eq(credential_id.as_slice()))
                .filter(second_factors::passkey.is_not_null())
                .filter(users::uuid.eq(user.0.as_bytes().as_slice()));
            let found: Option<(UserRow, FactorRow, bool)> = match network {
                Some(network) => {
                    let known = exists(known::network(network, now).filter(known_networks::user_id.eq(users::id)));
                    let columns = (UserRow::as_select(), FactorRow::as_select(), known);
                    named.select(columns).get_result(connection).optional()?
                }
                None => {
                    let columns = (UserRow::as_select(), FactorRow::as_select());
                    let found: Option<(UserRow, FactorRow)> =
                        named.select(columns).get_result(connection).optional()?;
                    found.map(|(owner, factor)| (owner, factor, false))
                }
            };
            let Some((owner, factor, known)) = found else { return Ok(None) };
            let key = webauthn_key(&factor)?;
            Ok(Some((read(owner)?, key, known)))
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn factor_add(
        &self,
        user: UserId,
        factor: NewFactor,
        codes: Vec<TokenDigest>,
        others: OtherSessions,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<Enrolled> {
        let at = authorization.action.at;
        self.decide_ending(user, at, move |transaction, tally| {
            let (owner, enrolled) = add(transaction, user, &factor, &codes, &authorization)?;
            end(transaction, others, &owner, &authorization, tally)?;
            Ok(enrolled)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn factor_remove(
        &self,
        user: UserId,
        which: FactorChoice,
        others: OtherSessions,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<u64> {
        let at = authorization.action.at;
        self.decide_ending(user, at, move |transaction, tally| {
            let (owner, removed) = remove(transaction, user, &which, &authorization)?;
            if removed > 0 {
                end(transaction, others, &owner, &authorization, tally)?;
            }
            Ok(removed)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn backup_codes_renew(
        &self,
        user: UserId,
        codes: Vec<TokenDigest>,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<()> {
        self.decide(move |transaction| {
            let row = verify_and_lock(transaction, user, &authorization)?;
            if !row.has_second_factor {
                return Err(Refusal::FactorMissing.into());
            }
            store_codes(transaction, user, &codes)?;
            Ok(transaction.audit(&authorization.action, AuditKind::BackupCodesRenewed, user, None)?)
        })
        .await
    }
}

/// Everybody's encrypted secrets, with the ids of their factors.
pub(crate) fn all_sealed(connection: &mut ReadConnection<'_>) -> QueryResult<Vec<(FactorId, String)>> {
    let columns = (second_factors::id, second_factors::sealed);
    let rows: Vec<(Vec<u8>, Option<String>)> = second_factors::table.select(columns).load(connection)?;
    let sealed = |(id, sealed): (Vec<u8>, Option<String>)| Some((FactorId(Uuid::from_slice(&id).ok()?), sealed?));
    Ok(rows.into_iter().filter_map(sealed).collect())
}

/// Everybody's encrypted backup codes.
pub(super) fn all_sealed_codes(connection: &mut ReadConnection<'_>) -> QueryResult<Vec<SealedText>> {
    let columns = (imported_codes::code, imported_codes::sealed);
    let rows: Vec<(Vec<u8>, Option<String>)> =
        imported_codes::table.filter(imported_codes::sealed.is_not_null()).select(columns).load(connection)?;
    let text = |(code, sealed): (Vec<u8>, Option<String>)| {
        Some(SealedText {
            row: SealedRow::ImportedCode(ImportedCodeId(Uuid::from_slice(&code).ok()?)),
            sealed: sealed?,
        })
    };
    Ok(rows.into_iter().filter_map(text).collect())
}

fn codes_left(connection: &mut ReadConnection<'_>, user: UserId) -> QueryResult<UnspentCodes> {
    let left = backup_codes::table
        .filter(backup_codes::user_id.eq(user.number()).and(backup_codes::spent_at.is_null()))
        .select(backup_codes::digest);
    let digests: Vec<Vec<u8>> = on_primary(left).load(connection)?;
    let left = imported_codes::table
        .filter(imported_codes::user_id.eq(user.number()).and(imported_codes::spent_at.is_null()))
        .select((imported_codes::code, imported_codes::sealed));
    let imported: Vec<(Vec<u8>, Option<String>)> = left.load(connection)?;
    // Their length is what the tables demand.
    Ok(UnspentCodes {
        own: digests.into_iter().filter_map(|bytes| bytes.try_into().ok().map(TokenDigest)).collect(),
        imported: imported.into_iter().filter_map(imported_code).collect(),
    })
}

fn add(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    factor: &NewFactor,
    codes: &[TokenDigest],
    authorization: &ChangeAuthorization,
) -> Result<(UserRow, Enrolled), OperationError> {
    let owner = verify_and_lock(transaction, user, authorization)?;
    let (enrolled, action) =
        (insert(transaction, &owner, factor, codes, &authorization.action)?, &authorization.action);
    // Who enrols a factor has shown it. The operator, who does so for somebody, has not.
    if let Some(preconditions) = &authorization.preconditions {
        prove_session(transaction, preconditions, factor.material.kind().method(), action)?;
    }
    Ok((owner, enrolled))
}

/// Inserts a factor of a user whose row is locked; with the first one, the codes.
pub(crate) fn insert(
    transaction: &mut WriteTransaction<'_>,
    owner: &UserRow,
    factor: &NewFactor,
    codes: &[TokenDigest],
    action: &ActionContext,
) -> Result<Enrolled, OperationError> {
    let user = UserId::from_number(owner.id);
    let count: i64 =
        second_factors::table.filter(second_factors::user_id.eq(user.number())).count().get_result(transaction)?;
    if count >= MOST_FACTORS as i64 {
        return Err(Refusal::FactorsFull.into());
    }
    // Somebody may have nothing but backup codes, which came from another program.
    let first = count == 0;
    let row = FactorRow::new(user, factor, action.at);
    // The id is random, so what is taken already can only be the authenticator's name for its key.
    if diesel::insert_into(second_factors::table).values(&row).on_conflict_do_nothing().execute(transaction)? == 0 {
        return Err(Refusal::FactorTaken.into());
    }
    if first {
        set_flag(transaction, user, true, action.at)?;
        store_codes(transaction, user, codes)?;
    }
    transaction.invalidate(Invalidation::User(user));
    record(transaction, action, AuditKind::FactorAdded, owner, &row)?;
    Ok(Enrolled { factor: row.try_into()?, first })
}

/// Whether a user can be without a password: with two passkeys, or with one and backup codes, which are shown where a link
/// was the way back.
pub(crate) fn suffice_without_password(connection: &mut ReadConnection<'_>, user: UserId) -> QueryResult<bool> {
    let passkeys = second_factors::table
        .filter(second_factors::user_id.eq(user.number()).and(second_factors::passkey.is_not_null()))
        .count();
    let passkeys: i64 = passkeys.get_result(connection)?;
    Ok(match passkeys {
        0 => false,
        1 => codes_left(connection, user)?.count() > 0,
        _ => true,
    })
}

fn remove(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    which: &FactorChoice,
    authorization: &ChangeAuthorization,
) -> Result<(UserRow, u64), OperationError> {
    let owner = verify_and_lock(transaction, user, authorization)?;
    let action = &authorization.action;
    let own = || diesel::delete(second_factors::table.filter(second_factors::user_id.eq(user.number())));
    let bytes = |id: &FactorId| id.0.as_bytes().to_vec();
    let removed: Vec<FactorRow> = match which {
        FactorChoice::All => own().returning(FactorRow::as_select()).get_results(transaction)?,
        FactorChoice::Some(ids) => {
            let ids: Vec<_> = ids.iter().map(bytes).collect();
            own().filter(second_factors::id.eq_any(ids)).returning(FactorRow::as_select()).get_results(transaction)?
        }
        FactorChoice::One(id) => {
            own().filter(second_factors::id.eq(bytes(id))).returning(FactorRow::as_select()).get_results(transaction)?
        }
    };
    if removed.is_empty() {
        return match which {
            FactorChoice::One(_) => Err(Refusal::UnknownFactor.into()),
            // Nothing but backup codes, which came from another program.
            FactorChoice::All if owner.has_second_factor => {
                transaction.audit(action, AuditKind::FactorRemoved, &owner, Some("backup codes".to_owned()))?;
                set_flag(transaction, user, false, action.at)?;
                void_codes(transaction, user)?;
                Ok((owner, 1))
            }
            FactorChoice::All | FactorChoice::Some(_) => Ok((owner, 0)),
        };
    }
    transaction.invalidate(Invalidation::User(user));
    for row in &removed {
        record(transaction, action, AuditKind::FactorRemoved, &owner, row)?;
    }
    let left = second_factors::table.filter(second_factors::user_id.eq(user.number()));
    if !select(exists(left)).get_result::<bool>(transaction)? {
        set_flag(transaction, user, false, action.at)?;
        void_codes(transaction, user)?;
    }
    // Others help who has lost them: then a link is the way back.
    let is_own = authorization.preconditions.as_ref().is_some_and(|preconditions| preconditions.user == user);
    if is_own && !owner.has_password && !suffice_without_password(transaction, user)? {
        return Err(Refusal::PasskeysMissing.into());
    }
    Ok((owner, removed.len() as u64))
}

/// Ends the other sessions of who asks for a change of their own factors, where that is wanted.
fn end(
    transaction: &mut WriteTransaction<'_>,
    others: OtherSessions,
    owner: &UserRow,
    authorization: &ChangeAuthorization,
    tally: Tally,
) -> Result<(), OperationError> {
    match (others, &authorization.preconditions) {
        (OtherSessions::End, Some(Preconditions { user, session, .. })) if user.number() == owner.id => {
            revoke::others(transaction, owner, *session, EndReason::Revoked, &authorization.action, tally).map(drop)
        }
        (OtherSessions::End | OtherSessions::Stay, _) => Ok(()),
    }
}

/// Records a factor by its kind and name.
fn record(
    transaction: &mut WriteTransaction<'_>,
    action: &ActionContext,
    kind: AuditKind,
    owner: &UserRow,
    factor: &FactorRow,
) -> QueryResult<()> {
    transaction.audit(action, kind, owner, Some(format!("{} {}", factor.kind_name(), factor.name)))
}

fn set_flag(transaction: &mut WriteTransaction<'_>, user: UserId, has: bool, at: Timestamp) -> QueryResult<()> {
    let change = (users::has_second_factor.eq(has), users::updated_at.eq(at.unix_millis()));
    transaction.change(Invalidation::User(user), diesel::update(users::table.find(user.number())).set(change)).map(drop)
}

/// Replaces whatever codes there are.
fn store_codes(transaction: &mut WriteTransaction<'_>, user: UserId, codes: &[TokenDigest]) -> QueryResult<()> {
    void_codes(transaction, user)?;
    let row = |code: &TokenDigest| (backup_codes::digest.eq(code.0.to_vec()), backup_codes::user_id.eq(user.number()));
    let rows: Vec<_> = codes.iter().map(row).collect();
    diesel::insert_into(backup_codes::table).values(&rows).execute(transaction).map(drop)
}

fn void_codes(transaction: &mut WriteTransaction<'_>, user: UserId) -> QueryResult<()> {
    diesel::delete(backup_codes::table.filter(backup_codes::user_id.eq(user.number()))).execute(transaction)?;
    diesel::delete(imported_codes::table.filter(imported_codes::user_id.eq(user.number())))
        .execute(transaction)
        .map(drop)
}
