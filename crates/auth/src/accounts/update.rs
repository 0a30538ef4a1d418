//! Seeing and changing accounts: one's own, as staff those of others, and as the operator all (`docs/MODEL.md`,
//! *Accounts*).

use std::sync::atomic::{AtomicBool, Ordering};

use thunderhead_domain::audit::{AuditFilter, AuditRecord};
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::id::{UserId, UserUuid};
use thunderhead_domain::ports::{AccountName, AccountUpdate, Page, PageRequest, StorageError};
use thunderhead_domain::user::{EmailAddress, User, Username};
use tracing::instrument;

use crate::changes::target::{Account, ManagedAccount, OtherUser, RemovableAccount};
use crate::changes::{Change, ChangeError};
use crate::environment::Environment;

/// Sees and changes accounts.
pub struct AccountManager {
    environment: Environment,
    /// Whether an account has been seen. There may be none again, but nobody makes a first account twice.
    any_seen: AtomicBool,
}

impl AccountManager {
    pub(crate) const fn new(environment: Environment) -> Self {
        Self { environment, any_seen: AtomicBool::new(false) }
    }

    /// Whether somebody has an account, or had one since this process started.
    ///
    /// # Errors
    /// Where the database is away.
    #[instrument(level = "debug", skip_all)]
    pub async fn has_any(&self) -> Result<bool, StorageError> {
        if self.any_seen.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let is_any = !self.environment.storage.account_newest(1).await?.is_empty();
        self.any_seen.store(is_any, Ordering::Relaxed);
        Ok(is_any)
    }

    /// The latest of what was done to the caller's own account.
    ///
    /// # Errors
    /// Where the database is away.
    #[instrument(level = "debug", skip_all)]
    pub async fn own_events(&self, caller: &Principal, limit: u32) -> Result<Vec<AuditRecord>, StorageError> {
        let filter = AuditFilter { user: Some(caller.user().id), ..AuditFilter::default() };
        Ok(self.environment.storage.audit_search(filter, None, limit).await?.items)
    }

    /// A page of all users, newest first.
    #[instrument(level = "debug", skip_all)]
    pub async fn list(&self, _staff: &StaffPrincipal, page: PageRequest) -> Result<Page<User>, StorageError> {
        self.environment.storage.account_page(page).await
    }

    /// A user.
    #[instrument(level = "debug", skip_all)]
    pub async fn show(&self, _staff: &StaffPrincipal, user: UserId) -> Result<User, ChangeError> {
        Ok(self.environment.storage.account_find(AccountName::Id(user)).await?.ok_or(Refusal::Gone)?)
    }

    /// The user of an identity id.
    #[instrument(level = "debug", skip_all)]
    pub async fn find(&self, _staff: &StaffPrincipal, uuid: UserUuid) -> Result<Option<User>, StorageError> {
        self.environment.storage.account_find(AccountName::Uuid(uuid)).await
    }

    /// Gives a user another name.
    #[instrument(level = "debug", skip_all)]
    pub async fn rename<T: Account>(&self, change: Change<T>, name: Username) -> Result<User, ChangeError> {
        let (user, storage) = (change.target.user(), &self.environment.storage);
        change.author.make(&self.environment, |authorization| storage.account_rename(user, name, authorization)).await
    }

    /// Gives a user another address.
    #[instrument(level = "debug", skip_all)]
    pub async fn set_email<T: Account>(&self, change: Change<T>, email: EmailAddress) -> Result<User, ChangeError> {
        let (user, storage) = (change.target.user(), &self.environment.storage);
        change
            .author
            .make(&self.environment, |authorization| storage.account_readdress(user, email, authorization))
            .await
    }

    /// Deletes a user with all that belongs to them.
    #[instrument(level = "debug", skip_all)]
    pub async fn delete<T: RemovableAccount>(&self, change: Change<T>) -> Result<(), ChangeError> {
        let (user, storage) = (change.target.user(), &self.environment.storage);
        change.author.make(&self.environment, |authorization| storage.account_delete(user, authorization)).await
    }

    /// The same with those users that are named; returns how many there were.
    #[instrument(level = "debug", skip_all)]
    pub async fn delete_some(&self, change: Change<Vec<OtherUser>>) -> Result<u64, ChangeError> {
        let users: Vec<_> = change.target.iter().map(Account::user).collect();
        let delete = |authorization| self.environment.storage.account_delete_some(&users, authorization);
        change.author.make(&self.environment, delete).await
    }

    /// Bans a user and ends all their sessions.
    #[instrument(level = "debug", skip_all)]
    pub async fn ban(&self, change: Change<OtherUser>, reason: Option<String>) -> Result<AccountUpdate, ChangeError> {
        let (user, storage) = (change.target.user(), &self.environment.storage);
        change.author.make(&self.environment, |authorization| storage.account_ban(user, reason, authorization)).await
    }

    /// Lifts a user's ban.
    #[instrument(level = "debug", skip_all)]
    pub async fn unban<T: ManagedAccount>(&self, change: Change<T>) -> Result<Option<User>, ChangeError> {
        let (user, storage) = (change.target.user(), &self.environment.storage);
        change.author.make(&self.environment, |authorization| storage.account_unban(user, authorization)).await
    }

    /// Says whether a user's address was found to be theirs.
    #[instrument(level = "debug", skip_all)]
    pub async fn set_verified<T: ManagedAccount>(
        &self,
        change: Change<T>,
        verified: bool,
    ) -> Result<User, ChangeError> {
        let (user, storage) = (change.target.user(), &self.environment.storage);
        let set = |authorization| storage.account_set_verified(user, verified, authorization);
        change.author.make(&self.environment, set).await
    }

    /// Makes a user staff. Staff endpoints stay closed until they have a second factor.
    #[instrument(level = "debug", skip_all)]
    pub async fn promote<T: ManagedAccount>(&self, change: Change<T>) -> Result<Option<User>, ChangeError> {
        self.set_staff(change, true).await
    }

    /// Makes a user no longer staff.
    #[instrument(level = "debug", skip_all)]
    pub async fn demote(&self, change: Change<OtherUser>) -> Result<Option<User>, ChangeError> {
        self.set_staff(change, false).await
    }

    async fn set_staff<T: Account>(&self, change: Change<T>, staff: bool) -> Result<Option<User>, ChangeError> {
        let (user, storage) = (change.target.user(), &self.environment.storage);
        change
            .author
            .make(&self.environment, |authorization| storage.account_set_staff(user, staff, authorization))
            .await
    }
}
