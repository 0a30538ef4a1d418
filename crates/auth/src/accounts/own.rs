//! Changing one's own account (`docs/MODEL.md`, *Accounts*).

use thunderhead_domain::authorization::Principal;
use thunderhead_domain::user::{EmailAddress, User, Username};

use crate::Auth;
use crate::credentials::change::{ChangeError, Reverified};
use crate::credentials::password::rules::NewPassword;

impl Auth {
    /// Gives the caller another name.
    pub async fn account_rename(
        &self,
        caller: &Principal,
        reverified: Reverified,
        name: Username,
    ) -> Result<User, ChangeError> {
        let user = caller.user().id;
        let rename = |authorization| self.storage.account_rename(user, name, authorization);
        self.change_as(caller, reverified, rename).await
    }

    /// Gives the caller another address.
    pub async fn account_readdress(
        &self,
        caller: &Principal,
        reverified: Reverified,
        email: EmailAddress,
    ) -> Result<User, ChangeError> {
        let user = caller.user().id;
        let readdress = |authorization| self.storage.account_readdress(user, email, authorization);
        self.change_as(caller, reverified, readdress).await
    }

    /// Sets the caller's password and ends all their sessions but the one in use.
    pub async fn account_set_password(
        &self,
        caller: &Principal,
        reverified: Reverified,
        password: NewPassword,
    ) -> Result<Option<User>, ChangeError> {
        let (hash, reverified) = self.hash_new(password, reverified).await?;
        let user = caller.user().id;
        let set = |authorization| self.storage.account_set_password(user, hash, authorization);
        Ok(self.change_as(caller, reverified, set).await?.user)
    }

    /// Deletes the caller's account with all that belongs to it.
    pub async fn account_delete(&self, caller: &Principal, reverified: Reverified) -> Result<(), ChangeError> {
        let user = caller.user().id;
        let delete = |authorization| self.storage.account_delete(user, authorization);
        self.change_as(caller, reverified, delete).await
    }
}
