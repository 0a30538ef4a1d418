//! One-time links.

use async_trait::async_trait;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::change_authorization::{ChangeAuthorization, PreconditionFailed, Refusal};
use thunderhead_domain::factor::{Factor, NewFactor};
use thunderhead_domain::id::UserId;
use thunderhead_domain::link::NewLink;
use thunderhead_domain::ports::{AccountUpdate, ChangeResult, OneTimeLinks, Stored};
use thunderhead_domain::session::{Actor, TokenDigest};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{PasswordHash, User};
use tracing::instrument;

use super::accounts::update::{self, NewCredential};
use super::change_authorization::verify_and_lock;
use super::factors;
use super::sessions::revoke::Tally;
use super::{Database, Query, UncheckedStatement, WriteTransaction, on_primary};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::{ExpiredLinkRow, NewLinkRow, UserRow};
use crate::schema::{one_time_links, users};
use crate::text;
use crate::unreadable::read;

#[async_trait]
impl OneTimeLinks for Database {
    #[instrument(level = "debug", skip_all)]
    async fn link_create(&self, link: NewLink, authorization: ChangeAuthorization) -> ChangeResult<()> {
        self.decide(move |transaction| {
            let row = verify_and_lock(transaction, link.user, &authorization)?;
            let link_row = NewLinkRow::new(&link, row.credential_version, &authorization.action);
            let insert = diesel::insert_into(one_time_links::table).values(link_row).on_conflict_do_nothing();
            if insert.execute(transaction)? == 0 {
                return Err(Refusal::Taken.into());
            }
            Ok(transaction.audit(&authorization.action, AuditKind::LinkMade, link.user, None)?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn link_find(&self, link: TokenDigest, now: Timestamp) -> Stored<Option<User>> {
        self.read(move |connection| {
            let good = on_primary(one_time_links::table.inner_join(users::table))
                .filter(one_time_links::digest.eq(link.0.as_slice()))
                .filter(one_time_links::credential_version.eq(users::credential_version))
                .filter(one_time_links::used_at.is_null())
                .filter(one_time_links::expires_at.gt(now.unix_millis()));
            let row: Option<UserRow> = good.select(UserRow::as_select()).get_result(connection).optional()?;
            Ok(row.map(read).transpose()?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn link_use(
        &self,
        user: UserId,
        link: TokenDigest,
        password: PasswordHash,
        action: ActionContext,
    ) -> ChangeResult<AccountUpdate> {
        let at = action.at;
        self.decide_ending(user, at, move |transaction, tally| {
            use_up(transaction, user, link, &password, &action, tally)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn link_use_for_passkey(
        &self,
        user: UserId,
        link: TokenDigest,
        nobodys: PasswordHash,
        passkey: NewFactor,
        codes: Vec<TokenDigest>,
        action: ActionContext,
    ) -> ChangeResult<Factor> {
        let at = action.at;
        self.decide_ending(user, at, move |transaction, tally| {
            use_up_for_passkey(transaction, user, link, (&nobodys, &passkey, &codes), &action, tally)
        })
        .await
    }
}

/// Sets the password that a link was made for.
fn use_up(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    link: TokenDigest,
    password: &PasswordHash,
    action: &ActionContext,
    tally: Tally,
) -> Result<AccountUpdate, OperationError> {
    let row = spend(transaction, user, link, action)?;
    update::replace_password(transaction, row, NewCredential::Password(password), None, action, tally)
}

/// Enrols a passkey in its place. Who has a second factor shows it after a new password; a link shows none.
fn use_up_for_passkey(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    link: TokenDigest,
    (nobodys, passkey, codes): (&PasswordHash, &NewFactor, &[TokenDigest]),
    action: &ActionContext,
    tally: Tally,
) -> Result<Factor, OperationError> {
    let row = spend(transaction, user, link, action)?;
    if row.has_second_factor {
        return Err(Refusal::Gone.into());
    }
    let enrolled = factors::insert(transaction, &row, passkey, codes, action)?;
    update::replace_password(transaction, row, NewCredential::Nothing(nobodys), None, action, tally)?;
    Ok(enrolled.factor)
}

/// Spends a link; returns its user's row, which is locked. Whatever else uses or voids the link holds the user's row, too.
fn spend(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    link: TokenDigest,
    action: &ActionContext,
) -> Result<UserRow, OperationError> {
    let row = transaction.lock_user(user)?.ok_or(Refusal::Gone)?;
    let at = action.at.unix_millis();
    let good = one_time_links::table
        .find(link.0.as_slice())
        .filter(one_time_links::user_id.eq(row.id))
        .filter(one_time_links::credential_version.eq(row.credential_version))
        .filter(one_time_links::used_at.is_null())
        .filter(one_time_links::expires_at.gt(at));
    if diesel::update(good).set(one_time_links::used_at.eq(at)).execute(transaction)? == 0 {
        return Err(Refusal::Gone.into());
    }
    if row.banned_at.is_some() {
        return Err(Refusal::Stale(PreconditionFailed::Banned).into());
    }
    transaction.audit(action, AuditKind::LinkUsed, user, None)?;
    Ok(row)
}

/// Deletes some of those that expired before a moment, each once however many replicas do this.
pub(crate) fn prune(transaction: &mut WriteTransaction<'_>, before: Timestamp, most: i64) -> QueryResult<u64> {
    let oldest: Vec<ExpiredLinkRow> = one_time_links::table
        .filter(one_time_links::expires_at.lt(before.unix_millis()))
        .order((one_time_links::expires_at, one_time_links::digest))
        .limit(most)
        .select(ExpiredLinkRow::as_select())
        .load(transaction)?;
    let mut pruned = 0;
    for link in oldest {
        let deleted = diesel::delete(one_time_links::table.find(&link.digest)).execute(transaction)?;
        pruned += deleted as u64;
        if deleted > 0 && link.used_at.is_none() {
            // Nobody lets a link expire: the record is of who made it.
            let by = text::actor("one_time_links.made_by", &link.made_by).unwrap_or(Actor::Stranger);
            let action = ActionContext { at: Timestamp::from_unix_millis(link.expires_at), by, client_ip: None };
            transaction.audit(&action, AuditKind::LinkExpired, UserId::from_number(link.user_id), None)?;
        }
    }
    Ok(pruned)
}
