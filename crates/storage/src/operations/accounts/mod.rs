//! Accounts and their credentials.

pub(crate) mod create;
mod delete;
mod search;
pub(crate) mod update;

use std::collections::BTreeSet;

use async_trait::async_trait;
use diesel::dsl::exists;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::change_authorization::{ChangeAuthorization, Refusal};
use thunderhead_domain::id::UserId;
use thunderhead_domain::network::Network;
use thunderhead_domain::ports::{
    AccountCreated, AccountName, AccountUpdate, Accounts, ChangeResult, Page, PageRequest, Registered, Stored,
};
use thunderhead_domain::search::UsernamePrefix;
use thunderhead_domain::session::{Actor, NewSession};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{EmailAddress, NewAccount, PasswordCredential, PasswordHash, User, Username};
use tracing::instrument;

use super::sessions::open;
use super::{self as operations, Connection, Database, Query, change_authorization, known, on_primary};
use crate::dsl::*;
use crate::rows::{UserRow, skip};
use crate::schema::{known_networks, users};
use crate::unreadable::{read, readable};

#[async_trait]
impl Accounts for Database {
    #[instrument(level = "debug", skip_all)]
    async fn account_create(&self, account: NewAccount, action: ActionContext) -> Stored<AccountCreated> {
        self.write(move |transaction| match create::insert(transaction, &account)? {
            Some(row) => {
                let user = User::try_from(row)?;
                create::record(transaction, &user, &action)?;
                Ok(AccountCreated::Created(user))
            }
            None => Ok(AccountCreated::Taken),
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_register(&self, account: NewAccount, session: NewSession) -> Stored<Registered> {
        self.write(move |transaction| {
            let Some(row) = create::insert(transaction, &account)? else { return Ok(Registered::Taken) };
            let user = User::try_from(row.clone())?;
            let client_ip = session.origin.client_ip;
            create::record(transaction, &user, &ActionContext { at: account.at, by: Actor::User(user.id), client_ip })?;
            // The first device is no news.
            known::note_login(transaction, user.id, &session)?;
            let session = open::insert(transaction, &row, &session, AuditKind::LoggedIn, false)?;
            Ok(Registered::Registered(Box::new(AuthenticatedSession { session, user })))
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_find(&self, name: AccountName) -> Stored<Option<User>> {
        self.read(move |connection| {
            let named = on_primary(named(&name)).select(UserRow::as_select());
            let row: Option<UserRow> = named.get_result(connection).optional()?;
            Ok(row.map(read).transpose()?)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_id(&self, name: AccountName) -> Stored<Option<UserId>> {
        self.read(move |connection| {
            let id: Option<i64> = on_primary(named(&name)).select(users::id).get_result(connection).optional()?;
            Ok(id.map(UserId::from_number))
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_credential(&self, name: AccountName) -> Stored<Option<(User, PasswordCredential)>> {
        self.read(move |connection| {
            let columns = (UserRow::as_select(), users::password_hash);
            let named = on_primary(named(&name)).select(columns);
            let found: Option<(UserRow, String)> = named.get_result(connection).optional()?;
            let Some((row, hash)) = found else { return Ok(None) };
            let credential = PasswordCredential { password: PasswordHash::new(hash), version: row.credential_version };
            Ok(Some((read(row)?, credential)))
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_attempted(
        &self,
        name: AccountName,
        network: Network,
        now: Timestamp,
    ) -> Stored<Option<(User, PasswordCredential, bool)>> {
        self.read(move |connection| {
            let known = exists(known::network(network, now).filter(known_networks::user_id.eq(users::id)));
            let columns = (UserRow::as_select(), users::password_hash, known);
            let named = on_primary(named(&name)).select(columns);
            let found: Option<(UserRow, String, bool)> = named.get_result(connection).optional()?;
            let Some((row, hash, known)) = found else { return Ok(None) };
            let credential = PasswordCredential { password: PasswordHash::new(hash), version: row.credential_version };
            Ok(Some((read(row)?, credential, known)))
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn network_is_known(&self, user: UserId, network: Network, now: Timestamp) -> Stored<bool> {
        self.read(move |connection| {
            let known = known::network(network, now).filter(known_networks::user_id.eq(user.number()));
            let known: i64 = on_primary(known).count().get_result(connection)?;
            Ok(known > 0)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_page(&self, page: PageRequest) -> Stored<Page<User>> {
        self.snapshot(move |connection| {
            let count: i64 = on_primary(users::table.count()).get_result(connection)?;
            let rows: Vec<UserRow> = users::table
                .order((users::created_at.desc(), users::id.desc()))
                .limit(i64::from(page.limit))
                .offset(skip(page.offset))
                .select(UserRow::as_select())
                .load(connection)?;
            let items = readable(rows);
            Ok(Page { count: count.unsigned_abs(), items })
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_newest(&self, limit: u32) -> Stored<Vec<User>> {
        self.read(move |connection| search::newest(connection, limit)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_find_some(&self, users: &[UserId]) -> Stored<Vec<User>> {
        let ids = users.iter().map(|user| user.number()).collect::<BTreeSet<_>>();
        self.read(move |connection| search::named(connection, &ids)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_search(&self, prefix: UsernamePrefix, after: Option<Username>, limit: u32) -> Stored<Vec<User>> {
        self.read(move |connection| search::page(connection, &prefix, after.as_ref(), limit)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_search_count(&self, prefix: UsernamePrefix, most: u32) -> Stored<u64> {
        self.read(move |connection| search::count(connection, &prefix, most)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_rename(
        &self,
        user: UserId,
        name: Username,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<User> {
        self.decide(move |transaction| update::rename(transaction, user, &name, &authorization)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_readdress(
        &self,
        user: UserId,
        email: EmailAddress,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<User> {
        self.decide(move |transaction| update::readdress(transaction, user, &email, &authorization)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_set_password(
        &self,
        user: UserId,
        hash: PasswordHash,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<AccountUpdate> {
        self.decide_ending(user, authorization.action.at, move |transaction, tally| {
            update::set_password(transaction, user, &hash, &authorization, tally)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_remove_password(
        &self,
        user: UserId,
        nobodys: PasswordHash,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<AccountUpdate> {
        self.decide_ending(user, authorization.action.at, move |transaction, tally| {
            update::remove_password(transaction, user, &nobodys, &authorization, tally)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_rehash(&self, user: UserId, version: i64, hash: PasswordHash) -> Stored<()> {
        self.write(move |transaction| Ok(transaction.replace_hash(user, version, &hash)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_set_verified(
        &self,
        user: UserId,
        verified: bool,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<User> {
        self.decide(move |transaction| update::set_verified(transaction, user, verified, &authorization)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_ban(
        &self,
        user: UserId,
        reason: Option<String>,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<AccountUpdate> {
        self.decide_ending(user, authorization.action.at, move |transaction, tally| {
            update::ban(transaction, user, reason.as_deref(), &authorization, tally)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_unban(&self, user: UserId, authorization: ChangeAuthorization) -> ChangeResult<Option<User>> {
        self.decide(move |transaction| update::unban(transaction, user, &authorization)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_set_staff(
        &self,
        user: UserId,
        staff: bool,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<Option<User>> {
        self.decide_ending(user, authorization.action.at, move |transaction, tally| {
            update::set_staff(transaction, user, staff, &authorization, tally)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_delete(&self, user: UserId, authorization: ChangeAuthorization) -> ChangeResult<()> {
        self.decide(move |transaction| {
            change_authorization::verify_and_consume(transaction, &authorization, &[user])?;
            match delete::delete(transaction, &[user.number()], &authorization.action)? {
                0 => Err(Refusal::Gone.into()),
                _ => Ok(()),
            }
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn account_delete_some(&self, users: &[UserId], authorization: ChangeAuthorization) -> ChangeResult<u64> {
        let users = users.to_vec();
        let mut ids: Vec<i64> = users.iter().map(|user| user.number()).collect();
        ids.sort_unstable();
        ids.dedup();
        self.decide(move |transaction| {
            change_authorization::verify_and_consume(transaction, &authorization, &users)?;
            delete::delete(transaction, &ids, &authorization.action)
        })
        .await
    }
}

/// The user of a name: at most one.
fn named(name: &AccountName) -> users::BoxedQuery<'static, <Connection as diesel::Connection>::Backend> {
    let all = users::table.into_boxed();
    match name {
        AccountName::Id(id) => all.filter(users::id.eq(id.number())),
        AccountName::Username(name) => all.filter(users::username_key.eq(name.key())),
        AccountName::Email(email) => all.filter(users::email_key.eq(email.key())),
        AccountName::Uuid(uuid) => all.filter(users::uuid.eq(uuid.0.as_bytes().to_vec())),
    }
}
