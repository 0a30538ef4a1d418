//! Accounts.

use async_trait::async_trait;

use super::{ChangeResult, Page, PageRequest, Stored};
use crate::audit::ActionContext;
use crate::authorization::AuthenticatedSession;
use crate::change_authorization::ChangeAuthorization;
use crate::id::{UserId, UserUuid};
use crate::network::Network;
use crate::search::UsernamePrefix;
use crate::session::NewSession;
use crate::time::Timestamp;
use crate::user::{EmailAddress, NewAccount, PasswordCredential, PasswordHash, User, Username};

/// What somebody types to say who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountName {
    /// The user's id (the command line).
    Id(UserId),
    /// The user name, without regard to case.
    Username(Username),
    /// The e-mail address, without regard to case.
    Email(EmailAddress),
    /// The identity id of the Kratos dialect.
    Uuid(UserUuid),
}

/// What came of making an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountCreated {
    /// The account was made.
    Created(User),
    /// The name or the address is taken.
    Taken,
}

/// What came of registering: an account together with its first session, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// Both were made.
    Registered(Box<AuthenticatedSession>),
    /// The name or the address is taken.
    Taken,
}

/// What came of a change that ends sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountUpdate {
    /// The user as they are now; `None` where their row cannot be read, which keeps nobody from changing it.
    pub user: Option<User>,
    /// How many sessions the change ended.
    pub sessions_ended: u64,
}

/// Accounts and their credentials. A change that is none (a ban of a banned user) leaves no audit record and keeps the
/// earlier date. A user who is not there is [`Refusal::Gone`](crate::change_authorization::Refusal), or `None`.
///
/// What takes something from a user, or gives it back, is done where their row cannot be read, too: then there is no
/// user to be shown.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Makes an account. The id is the first free millisecond from `account.at` on.
    async fn account_create(&self, account: NewAccount, action: ActionContext) -> Stored<AccountCreated>;

    /// Makes an account and its first session in one transaction, which nobody else authorizes.
    async fn account_register(&self, account: NewAccount, session: NewSession) -> Stored<Registered>;

    /// The user of this name or id.
    async fn account_find(&self, name: AccountName) -> Stored<Option<User>>;

    /// The id of the user of this name, whether or not their row can be read.
    async fn account_id(&self, name: AccountName) -> Stored<Option<UserId>>;

    /// The user of this name or id, with what a password is checked against.
    async fn account_credential(&self, name: AccountName) -> Stored<Option<(User, PasswordCredential)>>;

    /// The same, and whether a session of theirs was opened from this network lately.
    async fn account_attempted(
        &self,
        name: AccountName,
        network: Network,
        now: Timestamp,
    ) -> Stored<Option<(User, PasswordCredential, bool)>>;

    /// Whether a session of the user was opened from this network lately.
    async fn network_is_known(&self, user: UserId, network: Network, now: Timestamp) -> Stored<bool>;

    /// A page of all users, newest first.
    async fn account_page(&self, page: PageRequest) -> Stored<Page<User>>;

    /// The newest users, without counting them.
    async fn account_newest(&self, limit: u32) -> Stored<Vec<User>>;

    /// Those of these users that are there, in no particular order.
    async fn account_find_some(&self, users: &[UserId]) -> Stored<Vec<User>>;

    /// Users whose names begin alike, by name: those behind a name.
    async fn account_search(&self, prefix: UsernamePrefix, after: Option<Username>, limit: u32) -> Stored<Vec<User>>;

    /// How many there are of them. Counting stops at `most`.
    async fn account_search_count(&self, prefix: UsernamePrefix, most: u32) -> Stored<u64>;

    /// Gives a user another name. Another spelling of the own name is a change; the same spelling is none.
    async fn account_rename(
        &self,
        user: UserId,
        name: Username,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<User>;

    /// Gives a user another address, which is then not verified. The same address is no change.
    async fn account_readdress(
        &self,
        user: UserId,
        email: EmailAddress,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<User>;

    /// Sets a user's password: moves the credential's version, ends all open sessions but the one that the
    /// authorization is of ([`EndReason::PasswordChanged`](crate::session::EndReason)), and clears all failure budgets.
    async fn account_set_password(
        &self,
        user: UserId,
        hash: PasswordHash,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<AccountUpdate>;

    /// Takes a user's password away, where they have two passkeys, or one and backup codes
    /// ([`Refusal::PasskeysMissing`](crate::change_authorization::Refusal)): `nobodys` is the hash of one that nobody
    /// knows. That is a change of the password like any other. Who has none already keeps everything as it is.
    async fn account_remove_password(
        &self,
        user: UserId,
        nobodys: PasswordHash,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<AccountUpdate>;

    /// Replaces the hash of an unchanged password by one with newer parameters, if the credential is still
    /// the one of this version. Sessions are not touched, and nothing is recorded.
    async fn account_rehash(&self, user: UserId, version: i64, hash: PasswordHash) -> Stored<()>;

    /// Says whether a user's address was found to be theirs.
    async fn account_set_verified(
        &self,
        user: UserId,
        verified: bool,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<User>;

    /// Bans a user and ends all their open sessions.
    async fn account_ban(
        &self,
        user: UserId,
        reason: Option<String>,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<AccountUpdate>;

    /// Lifts a ban. Sessions that it ended stay ended.
    async fn account_unban(&self, user: UserId, authorization: ChangeAuthorization) -> ChangeResult<Option<User>>;

    /// Makes a user staff and ends all their open sessions, or makes them no longer staff and ends those whose scopes
    /// name what only staff may do ([`EndReason::StaffChanged`](crate::session::EndReason)). Whoever is
    /// made staff by another user must have a second factor.
    async fn account_set_staff(
        &self,
        user: UserId,
        staff: bool,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<Option<User>>;

    /// Deletes a user with their sessions, factors and failure budgets. The rows of the sessions follow
    /// ([`Backlog::delete_removed`](super::Backlog::delete_removed)), and until they are gone nobody gets the id.
    async fn account_delete(&self, user: UserId, authorization: ChangeAuthorization) -> ChangeResult<()>;

    /// The same with those users that are named; returns how many there were.
    async fn account_delete_some(&self, users: &[UserId], authorization: ChangeAuthorization) -> ChangeResult<u64>;
}
