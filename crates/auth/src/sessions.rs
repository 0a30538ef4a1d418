//! Seeing and ending sessions: one's own, and as staff those of others (`spec/sessions-api.md`).

use thunderhead_domain::id::{SessionId, UserId};
use thunderhead_domain::judgement::{Principal, StaffPrincipal};
use thunderhead_domain::ports::{AccountName, Page, PageRequest, StorageFault};
use thunderhead_domain::session::{EndReason, Session};

use crate::Auth;

/// Why staff got no answer about a user's sessions.
#[derive(Debug, thiserror::Error)]
pub enum StaffSessionError {
    /// There is no such user.
    #[error("unknown user")]
    UnknownUser,
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageFault),
}

impl Auth {
    /// One of the caller's live sessions.
    pub async fn session_show(&self, caller: &Principal, id: SessionId) -> Result<Option<Session>, StorageFault> {
        self.storage.session_find(caller.user().id, id, self.clock.now()).await
    }

    /// The caller's live sessions, newest first.
    pub async fn session_list(&self, caller: &Principal, page: PageRequest) -> Result<Page<Session>, StorageFault> {
        self.storage.session_page(caller.user().id, page, self.clock.now()).await
    }

    /// Ends one of the caller's sessions; `false` where there is none of this id.
    pub async fn session_end(
        &self,
        caller: &Principal,
        id: SessionId,
        client_ip: Option<String>,
    ) -> Result<bool, StorageFault> {
        let deed = self.deed_of(caller, client_ip);
        self.storage.session_end(caller.user().id, id, EndReason::Revoked, deed).await
    }

    /// Ends those of the caller's sessions that are named, and says how many.
    pub async fn session_end_some(
        &self,
        caller: &Principal,
        ids: &[SessionId],
        client_ip: Option<String>,
    ) -> Result<u64, StorageFault> {
        let deed = self.deed_of(caller, client_ip);
        self.storage.session_end_some(caller.user().id, ids, EndReason::Revoked, deed).await
    }

    /// Ends all of the caller's sessions but the one in use, and says how many.
    pub async fn session_end_others(&self, caller: &Principal, client_ip: Option<String>) -> Result<u64, StorageFault> {
        let deed = self.deed_of(caller, client_ip);
        self.storage.session_end_others(caller.user().id, caller.session().uuid, EndReason::Revoked, deed).await
    }

    /// Ends all of the caller's sessions, and says how many.
    pub async fn session_end_all(&self, caller: &Principal, client_ip: Option<String>) -> Result<u64, StorageFault> {
        let deed = self.deed_of(caller, client_ip);
        self.storage.session_end_all(caller.user().id, EndReason::Revoked, deed).await
    }

    /// One live session of a user, for staff.
    pub async fn staff_session_show(
        &self,
        _staff: &StaffPrincipal,
        user: UserId,
        id: SessionId,
    ) -> Result<Option<Session>, StaffSessionError> {
        self.require_user(user).await?;
        Ok(self.storage.session_find(user, id, self.clock.now()).await?)
    }

    /// A user's live sessions, newest first, for staff.
    pub async fn staff_session_list(
        &self,
        _staff: &StaffPrincipal,
        user: UserId,
        page: PageRequest,
    ) -> Result<Page<Session>, StaffSessionError> {
        self.require_user(user).await?;
        Ok(self.storage.session_page(user, page, self.clock.now()).await?)
    }

    /// Ends one session of a user, as staff.
    pub async fn staff_session_end(
        &self,
        staff: &StaffPrincipal,
        user: UserId,
        id: SessionId,
        client_ip: Option<String>,
    ) -> Result<bool, StaffSessionError> {
        self.require_user(user).await?;
        let deed = self.deed_of(staff.principal(), client_ip);
        Ok(self.storage.session_end(user, id, EndReason::RevokedByStaff, deed).await?)
    }

    /// Ends those of a user's sessions that are named, as staff, and says how many.
    pub async fn staff_session_end_some(
        &self,
        staff: &StaffPrincipal,
        user: UserId,
        ids: &[SessionId],
        client_ip: Option<String>,
    ) -> Result<u64, StaffSessionError> {
        self.require_user(user).await?;
        let deed = self.deed_of(staff.principal(), client_ip);
        Ok(self.storage.session_end_some(user, ids, EndReason::RevokedByStaff, deed).await?)
    }

    /// Ends all sessions of a user, as staff, and says how many. The caller's own go too where it is the
    /// caller's id.
    pub async fn staff_session_end_all(
        &self,
        staff: &StaffPrincipal,
        user: UserId,
        client_ip: Option<String>,
    ) -> Result<u64, StaffSessionError> {
        self.require_user(user).await?;
        let deed = self.deed_of(staff.principal(), client_ip);
        Ok(self.storage.session_end_all(user, EndReason::RevokedByStaff, deed).await?)
    }

    async fn require_user(&self, user: UserId) -> Result<(), StaffSessionError> {
        match self.storage.account_find(AccountName::Id(user)).await? {
            Some(_) => Ok(()),
            None => Err(StaffSessionError::UnknownUser),
        }
    }
}
