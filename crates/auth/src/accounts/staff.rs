//! Seeing and changing the accounts of others, as staff (`docs/MODEL.md`, *Accounts*).

use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountName, Page, PageRequest, StorageError};
use thunderhead_domain::user::{EmailAddress, User, Username};

use crate::Auth;
use crate::credentials::change::{ChangeError, Reverified};
use crate::credentials::password::rules::NewPassword;

/// Staff who would lock themselves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody bans, demotes or deletes themselves")]
pub struct SelfAction;

/// One user who is not the staff member that acts: whom they may ban, demote or delete.
#[derive(Clone, Copy, Debug)]
pub struct OtherUser(pub(crate) UserId);

impl OtherUser {
    /// Checks whom a staff member is about to harm.
    ///
    /// # Errors
    /// Where it is themselves.
    pub fn than(staff: &StaffPrincipal, user: UserId) -> Result<Self, SelfAction> {
        if staff.principal().user().id == user { Err(SelfAction) } else { Ok(Self(user)) }
    }
}

impl Auth {
    /// A page of all users, newest first.
    pub async fn staff_account_list(
        &self,
        _staff: &StaffPrincipal,
        page: PageRequest,
    ) -> Result<Page<User>, StorageError> {
        self.storage.account_page(page).await
    }

    /// A user.
    pub async fn staff_account_show(&self, _staff: &StaffPrincipal, user: UserId) -> Result<User, ChangeError> {
        Ok(self.storage.account_find(AccountName::Id(user)).await?.ok_or(Refusal::Gone)?)
    }

    /// Bans a user and ends all their sessions.
    pub async fn staff_account_ban(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        OtherUser(user): OtherUser,
        reason: Option<String>,
    ) -> Result<Option<User>, ChangeError> {
        let ban = |authorization| self.storage.account_ban(user, reason, authorization);
        Ok(self.change_as_staff(staff, reverified, ban).await?.user)
    }

    /// Lifts a user's ban.
    pub async fn staff_account_unban(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        user: UserId,
    ) -> Result<Option<User>, ChangeError> {
        let unban = |authorization| self.storage.account_unban(user, authorization);
        self.change_as_staff(staff, reverified, unban).await
    }

    /// Gives a user another name.
    pub async fn staff_account_rename(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        user: UserId,
        name: Username,
    ) -> Result<User, ChangeError> {
        let rename = |authorization| self.storage.account_rename(user, name, authorization);
        self.change_as_staff(staff, reverified, rename).await
    }

    /// Gives a user another address.
    pub async fn staff_account_readdress(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        user: UserId,
        email: EmailAddress,
    ) -> Result<User, ChangeError> {
        let readdress = |authorization| self.storage.account_readdress(user, email, authorization);
        self.change_as_staff(staff, reverified, readdress).await
    }

    /// Sets a user's password and ends their sessions; where it is the caller's own account, all but the one in
    /// use.
    pub async fn staff_account_set_password(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        user: UserId,
        password: NewPassword,
    ) -> Result<Option<User>, ChangeError> {
        let (hash, reverified) = self.hash_new(password, reverified).await?;
        let set = |authorization| self.storage.account_set_password(user, hash, authorization);
        Ok(self.change_as_staff(staff, reverified, set).await?.user)
    }

    /// Says whether a user's address was found to be theirs.
    pub async fn staff_account_set_verified(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        user: UserId,
        verified: bool,
    ) -> Result<User, ChangeError> {
        let set = |authorization| self.storage.account_set_verified(user, verified, authorization);
        self.change_as_staff(staff, reverified, set).await
    }

    /// Makes a user staff, who must have a second factor.
    pub async fn staff_account_promote(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        user: UserId,
    ) -> Result<Option<User>, ChangeError> {
        let promote = |authorization| self.storage.account_set_staff(user, true, authorization);
        self.change_as_staff(staff, reverified, promote).await
    }

    /// Makes a user no longer staff.
    pub async fn staff_account_demote(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        OtherUser(user): OtherUser,
    ) -> Result<Option<User>, ChangeError> {
        let demote = |authorization| self.storage.account_set_staff(user, false, authorization);
        self.change_as_staff(staff, reverified, demote).await
    }

    /// Deletes a user with all that belongs to them.
    pub async fn staff_account_delete(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        OtherUser(user): OtherUser,
    ) -> Result<(), ChangeError> {
        let delete = |authorization| self.storage.account_delete(user, authorization);
        self.change_as_staff(staff, reverified, delete).await
    }

    /// The same with those users that are named; returns how many there were.
    pub async fn staff_account_delete_some(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        others: &[OtherUser],
    ) -> Result<u64, ChangeError> {
        let users: Vec<_> = others.iter().map(|OtherUser(user)| *user).collect();
        let delete = |authorization| self.storage.account_delete_some(&users, authorization);
        self.change_as_staff(staff, reverified, delete).await
    }
}
