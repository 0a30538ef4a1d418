//! Whose account a change is made to. Which of these a use case takes says who may make the change: users to their own
//! account, staff to any or to others' alone, and the operator to all.

use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::id::UserId;

/// The account of whoever makes the change.
#[derive(Clone, Copy, Debug)]
pub struct OwnAccount(pub(crate) UserId);

/// One user who is not the staff member that acts: whom they may ban, demote or delete.
#[derive(Clone, Copy, Debug)]
pub struct OtherUser(pub(crate) UserId);

/// What belongs to no account: the kill switches.
#[derive(Clone, Copy, Debug)]
pub struct System;

/// Staff who would lock themselves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody bans, demotes or deletes themselves")]
pub struct SelfAction;

impl OtherUser {
    /// Checks whom a staff member is about to harm.
    ///
    /// # Errors
    /// Where it is themselves.
    pub fn than(staff: &StaffPrincipal, user: UserId) -> Result<Self, SelfAction> {
        if staff.principal().user().id == user { Err(SelfAction) } else { Ok(Self(user)) }
    }
}

/// Any account: a change that users make to their own, staff to all.
pub trait Account {
    /// Whose it is.
    fn user(&self) -> UserId;
}

/// An account as staff and the operator have it.
pub trait ManagedAccount: Account {}

/// An account that something is taken from: users may do that to their own, staff to those of others.
pub trait RemovableAccount: Account {}

impl Account for OwnAccount {
    fn user(&self) -> UserId {
        self.0
    }
}

impl Account for UserId {
    fn user(&self) -> UserId {
        *self
    }
}

impl Account for OtherUser {
    fn user(&self) -> UserId {
        self.0
    }
}

impl ManagedAccount for UserId {}
impl ManagedAccount for OtherUser {}
impl RemovableAccount for OwnAccount {}
impl RemovableAccount for OtherUser {}
