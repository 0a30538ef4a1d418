//! Changing one's own account (`spec/accounts-and-factors.md`, *Accounts*).

use thunderhead_domain::judgement::Principal;
use thunderhead_domain::ports::{AccountChanged, StorageFault};
use thunderhead_domain::user::{EmailAddress, User, Username};

use crate::Auth;
use crate::password::{HashFault, NewPassword};
use crate::reverify::Reverified;

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Somebody else has the name or the address.
    #[error("the name or the address is taken")]
    Taken,
    /// There is no such user: for one's own account, any more.
    #[error("unknown user")]
    UnknownUser,
    /// Hashing failed.
    #[error(transparent)]
    Hash(#[from] HashFault),
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageFault),
}

/// The user after a change of something unique.
pub(crate) fn changed(outcome: AccountChanged) -> Result<User, AccountError> {
    match outcome {
        AccountChanged::Changed(user) => Ok(*user),
        AccountChanged::Taken => Err(AccountError::Taken),
        AccountChanged::Gone => Err(AccountError::UnknownUser),
    }
}

impl Auth {
    /// Gives the caller another name.
    pub async fn account_rename(
        &self,
        caller: &Principal,
        _reverified: Reverified,
        name: Username,
        client_ip: Option<String>,
    ) -> Result<User, AccountError> {
        changed(self.storage.account_rename(caller.user().id, name, self.deed_of(caller, client_ip)).await?)
    }

    /// Gives the caller another address.
    pub async fn account_readdress(
        &self,
        caller: &Principal,
        _reverified: Reverified,
        email: EmailAddress,
        client_ip: Option<String>,
    ) -> Result<User, AccountError> {
        changed(self.storage.account_readdress(caller.user().id, email, self.deed_of(caller, client_ip)).await?)
    }

    /// Sets the caller's password and ends all their sessions but the one in use.
    pub async fn account_set_password(
        &self,
        caller: &Principal,
        _reverified: Reverified,
        password: NewPassword,
        client_ip: Option<String>,
    ) -> Result<User, AccountError> {
        let hash = self.hasher.hash(password).await?;
        let (user, keep) = (caller.user().id, Some(caller.session().uuid));
        let ousted = self.storage.account_set_password(user, hash, keep, self.deed_of(caller, client_ip)).await?;
        ousted.map(|ousted| ousted.user).ok_or(AccountError::UnknownUser)
    }

    /// Deletes the caller's account with all its sessions.
    pub async fn account_delete(
        &self,
        caller: &Principal,
        _reverified: Reverified,
        client_ip: Option<String>,
    ) -> Result<(), AccountError> {
        match self.storage.account_delete(&[caller.user().id], self.deed_of(caller, client_ip)).await? {
            0 => Err(AccountError::UnknownUser),
            _ => Ok(()),
        }
    }
}
