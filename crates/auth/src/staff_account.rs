//! Seeing and changing the accounts of others, as staff (`spec/accounts-and-factors.md`, *Accounts*).

use thunderhead_domain::id::UserId;
use thunderhead_domain::judgement::StaffPrincipal;
use thunderhead_domain::ports::{AccountName, Page, PageRequest, StorageFault};
use thunderhead_domain::user::{EmailAddress, User, Username};

use crate::Auth;
use crate::account::{AccountError, changed};
use crate::password::NewPassword;
use crate::reverify::Reverified;

/// Staff who would lock themselves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody bans, demotes or deletes themselves")]
pub struct Oneself;

/// One user who is not the staff member that acts: whom they may ban, demote or delete.
#[derive(Clone, Copy, Debug)]
pub struct Other(UserId);

impl Other {
    /// Checks whom a staff member is about to harm.
    ///
    /// # Errors
    /// Where it is themselves.
    pub fn than(staff: &StaffPrincipal, user: UserId) -> Result<Self, Oneself> {
        if staff.principal().user().id == user { Err(Oneself) } else { Ok(Self(user)) }
    }
}

/// Why a user was not made staff.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// They have no second factor, which staff must have.
    #[error("the user has no second factor")]
    FactorMissing,
    /// The account could not be changed.
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl From<StorageFault> for PromoteError {
    fn from(fault: StorageFault) -> Self {
        Self::Account(fault.into())
    }
}

impl Auth {
    /// A page of all users, newest first.
    pub async fn staff_account_list(
        &self,
        _staff: &StaffPrincipal,
        page: PageRequest,
    ) -> Result<Page<User>, StorageFault> {
        self.storage.account_page(page).await
    }

    /// A user.
    pub async fn staff_account_show(&self, _staff: &StaffPrincipal, user: UserId) -> Result<User, AccountError> {
        self.storage.account_find(AccountName::Id(user)).await?.ok_or(AccountError::UnknownUser)
    }

    /// Bans a user and ends all their sessions.
    pub async fn staff_account_ban(
        &self,
        staff: &StaffPrincipal,
        _reverified: Reverified,
        Other(user): Other,
        reason: Option<String>,
        client_ip: Option<String>,
    ) -> Result<User, AccountError> {
        let deed = self.deed_of(staff.principal(), client_ip);
        let ousted = self.storage.account_ban(user, reason, deed).await?;
        ousted.map(|ousted| ousted.user).ok_or(AccountError::UnknownUser)
    }

    /// Lifts a user's ban.
    pub async fn staff_account_unban(
        &self,
        staff: &StaffPrincipal,
        _reverified: Reverified,
        user: UserId,
        client_ip: Option<String>,
    ) -> Result<User, AccountError> {
        let deed = self.deed_of(staff.principal(), client_ip);
        self.storage.account_unban(user, deed).await?.ok_or(AccountError::UnknownUser)
    }

    /// Gives a user another name.
    pub async fn staff_account_rename(
        &self,
        staff: &StaffPrincipal,
        _reverified: Reverified,
        user: UserId,
        name: Username,
        client_ip: Option<String>,
    ) -> Result<User, AccountError> {
        changed(self.storage.account_rename(user, name, self.deed_of(staff.principal(), client_ip)).await?)
    }

    /// Gives a user another address.
    pub async fn staff_account_readdress(
        &self,
        staff: &StaffPrincipal,
        _reverified: Reverified,
        user: UserId,
        email: EmailAddress,
        client_ip: Option<String>,
    ) -> Result<User, AccountError> {
        changed(self.storage.account_readdress(user, email, self.deed_of(staff.principal(), client_ip)).await?)
    }

    /// Sets a user's password and ends their sessions; where it is the caller's own account, all but the one in
    /// use.
    pub async fn staff_account_set_password(
        &self,
        staff: &StaffPrincipal,
        _reverified: Reverified,
        user: UserId,
        password: NewPassword,
        client_ip: Option<String>,
    ) -> Result<User, AccountError> {
        let hash = self.hasher.hash(password).await?;
        let keep = Some(staff.principal().session().uuid);
        let deed = self.deed_of(staff.principal(), client_ip);
        let ousted = self.storage.account_set_password(user, hash, keep, deed).await?;
        ousted.map(|ousted| ousted.user).ok_or(AccountError::UnknownUser)
    }

    /// Says whether a user's address was found to be theirs.
    pub async fn staff_account_set_verified(
        &self,
        staff: &StaffPrincipal,
        _reverified: Reverified,
        user: UserId,
        verified: bool,
        client_ip: Option<String>,
    ) -> Result<User, AccountError> {
        let deed = self.deed_of(staff.principal(), client_ip);
        self.storage.account_set_verified(user, verified, deed).await?.ok_or(AccountError::UnknownUser)
    }

    /// Makes a user staff, who must have a second factor.
    pub async fn staff_account_promote(
        &self,
        staff: &StaffPrincipal,
        _reverified: Reverified,
        user: UserId,
        client_ip: Option<String>,
    ) -> Result<User, PromoteError> {
        let found = self.storage.account_find(AccountName::Id(user)).await?.ok_or(AccountError::UnknownUser)?;
        if !found.has_second_factor {
            return Err(PromoteError::FactorMissing);
        }
        let deed = self.deed_of(staff.principal(), client_ip);
        let promoted = self.storage.account_set_staff(user, true, deed).await?;
        Ok(promoted.ok_or(AccountError::UnknownUser)?)
    }

    /// Makes a user no longer staff.
    pub async fn staff_account_demote(
        &self,
        staff: &StaffPrincipal,
        _reverified: Reverified,
        Other(user): Other,
        client_ip: Option<String>,
    ) -> Result<User, AccountError> {
        let deed = self.deed_of(staff.principal(), client_ip);
        self.storage.account_set_staff(user, false, deed).await?.ok_or(AccountError::UnknownUser)
    }

    /// Deletes users with all their sessions; returns how many there were.
    pub async fn staff_account_delete(
        &self,
        staff: &StaffPrincipal,
        _reverified: Reverified,
        others: &[Other],
        client_ip: Option<String>,
    ) -> Result<u64, StorageFault> {
        let users: Vec<_> = others.iter().map(|Other(user)| *user).collect();
        self.storage.account_delete(&users, self.deed_of(staff.principal(), client_ip)).await
    }
}
