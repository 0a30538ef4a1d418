//! What the operator does on the command line: accounts and kill switches, when nobody need be logged in.

use std::sync::Arc;

use thunderhead_domain::id::{UserId, UserUuid};
use thunderhead_domain::ports::{AccountCreated, AccountName, Clock, Page, PageRequest, Random, Storage, StorageFault};
use thunderhead_domain::session::{Actor, End, EndReason};
use thunderhead_domain::switch::{KillSwitch, SwitchSet};
use thunderhead_domain::user::{InvalidUsername, NewAccount, User, Username};

use crate::password::{HashFault, NewPassword, Password, PasswordHasher, UnacceptablePassword};
use crate::random_uuid;
use crate::register::{InvalidEmail, parse_email};

/// An account that the operator makes.
#[derive(Debug)]
pub struct AccountForm {
    /// The name.
    pub username: String,
    /// The address.
    pub email: String,
    /// The password.
    pub password: Password,
    /// Whether the user is staff from the start.
    pub staff: bool,
}

/// Why a command was refused.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The name cannot be one.
    #[error(transparent)]
    Username(#[from] InvalidUsername),
    /// The address cannot be one.
    #[error(transparent)]
    Email(#[from] InvalidEmail),
    /// The password must not be set.
    #[error(transparent)]
    Password(#[from] UnacceptablePassword),
    /// The name or the address is taken.
    #[error("the name or the address is taken")]
    Taken,
    /// There is no such user.
    #[error("there is no user {0}")]
    UnknownUser(String),
    /// Hashing failed.
    #[error(transparent)]
    Hash(#[from] HashFault),
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageFault),
}

/// The operator's use cases.
pub struct Operator {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Operator {
    /// Over one storage.
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { storage, clock, random }
    }

    /// Makes an account.
    pub async fn account_create(&self, hasher: &PasswordHasher, form: AccountForm) -> Result<User, OperatorError> {
        let username = Username::try_from(form.username)?;
        let email = parse_email(&form.email)?;
        let password = NewPassword::new(form.password, &[username.as_str(), email.as_str()])?;
        let account = NewAccount {
            uuid: UserUuid(random_uuid(&*self.random)),
            username,
            email,
            password: hasher.hash(password).await?,
            staff: form.staff,
            at: self.clock.now(),
        };
        match self.storage.account_create(account).await? {
            AccountCreated::Created(user) => Ok(user),
            AccountCreated::Taken => Err(OperatorError::Taken),
        }
    }

    /// The user of this name or id.
    pub async fn account(&self, name_or_id: &str) -> Result<User, OperatorError> {
        let unknown = || OperatorError::UnknownUser(name_or_id.to_owned());
        let name = match name_or_id.parse::<UserId>() {
            Ok(id) => AccountName::Id(id),
            Err(_) => AccountName::Username(Username::try_from(name_or_id.to_owned()).map_err(|_| unknown())?),
        };
        self.storage.account_find(name).await?.ok_or_else(unknown)
    }

    /// A page of all users, newest first.
    pub async fn account_list(&self, page: PageRequest) -> Result<Page<User>, OperatorError> {
        Ok(self.storage.account_page(page).await?)
    }

    /// Bans a user; returns them and how many sessions that ended.
    pub async fn account_ban(&self, name_or_id: &str) -> Result<(User, u64), OperatorError> {
        let user = self.account(name_or_id).await?;
        let end = End { at: self.clock.now(), by: Actor::CommandLine, why: EndReason::Banned };
        let outcome = self.storage.account_ban(user.id, end).await?;
        let outcome = outcome.ok_or_else(|| OperatorError::UnknownUser(name_or_id.to_owned()))?;
        Ok((outcome.user, outcome.sessions_ended))
    }

    /// Lifts a ban.
    pub async fn account_unban(&self, name_or_id: &str) -> Result<User, OperatorError> {
        let user = self.account(name_or_id).await?;
        let changed = self.storage.account_unban(user.id, self.clock.now()).await?;
        changed.ok_or_else(|| OperatorError::UnknownUser(name_or_id.to_owned()))
    }

    /// Makes a user staff. Staff endpoints stay closed until they have a second factor.
    pub async fn account_promote(&self, name_or_id: &str) -> Result<User, OperatorError> {
        self.set_staff(name_or_id, true).await
    }

    /// Makes a user no longer staff.
    pub async fn account_demote(&self, name_or_id: &str) -> Result<User, OperatorError> {
        self.set_staff(name_or_id, false).await
    }

    async fn set_staff(&self, name_or_id: &str, staff: bool) -> Result<User, OperatorError> {
        let user = self.account(name_or_id).await?;
        let changed = self.storage.account_set_staff(user.id, staff, self.clock.now()).await?;
        changed.ok_or_else(|| OperatorError::UnknownUser(name_or_id.to_owned()))
    }

    /// Which kill switches are on.
    pub async fn switches(&self) -> Result<SwitchSet, OperatorError> {
        Ok(self.storage.switches().await?)
    }

    /// Turns a kill switch on or off; returns which are on afterwards.
    pub async fn switch_set(&self, switch: KillSwitch, on: bool) -> Result<SwitchSet, OperatorError> {
        Ok(self.storage.switch_set(switch, on, Actor::CommandLine, self.clock.now()).await?)
    }
}
