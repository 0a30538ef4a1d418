//! Seeing and ending sessions: one's own, and as staff those of others (`docs/MODEL.md`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use thunderhead_domain::authorization::{AuthenticatedSession, Caller, Principal, StaffPrincipal};
use thunderhead_domain::change_authorization::PreconditionFailed;
use thunderhead_domain::id::{SessionId, SessionUuid, UserId, UserUuid};
use thunderhead_domain::ports::{
    AccountName, Page, PageRequest, PageStart, SessionFilter, SessionHandle, SessionOf, StorageError,
};
use thunderhead_domain::session::{Actor, EndReason, Session, SessionKey};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;

use crate::Auth;

/// Why staff got no answer about a user's sessions.
#[derive(Debug, thiserror::Error)]
pub enum StaffSessionError {
    /// There is no such user.
    #[error("unknown user")]
    UnknownUser,
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A session that was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndedSession {
    /// As it was before.
    Known(Box<Session>),
    /// Its row cannot be read: that has kept nobody from ending it.
    Unreadable,
}

impl Auth {
    /// One of the caller's live sessions. The one in use was looked up a moment ago, and is not read once more: it may
    /// have ended since.
    pub async fn session_show(&self, caller: &Principal, id: SessionId) -> Result<Option<Session>, StorageError> {
        if id == caller.session().id {
            return Ok(Some(caller.session().clone()));
        }
        self.storage.session_find(caller.user().id, id, self.clock.now()).await
    }

    /// The caller's live sessions, newest first.
    pub async fn session_list(&self, caller: &Principal, page: PageRequest) -> Result<Page<Session>, StorageError> {
        self.storage.session_page(caller.user().id, page, self.clock.now()).await
    }

    /// Ends one of the caller's sessions; `false` where there is none of this id.
    pub async fn session_end(&self, caller: &Principal, id: SessionId) -> Result<bool, StorageError> {
        let action = caller.action(self.clock.now());
        self.storage.session_end(caller.user().id, id, EndReason::Revoked, action).await
    }

    /// Ends those of the caller's sessions that are named, and says how many.
    pub async fn session_end_some(&self, caller: &Principal, ids: &[SessionId]) -> Result<u64, StorageError> {
        let action = caller.action(self.clock.now());
        self.storage.session_end_some(caller.user().id, ids, EndReason::Revoked, action).await
    }

    /// Ends all of the caller's sessions but the one in use, and says how many.
    pub async fn session_end_others(&self, caller: &Principal) -> Result<u64, StorageError> {
        let action = caller.action(self.clock.now());
        self.storage.session_end_others(caller.user().id, caller.session().uuid, EndReason::Revoked, action).await
    }

    /// Ends all of the caller's sessions, and says how many.
    pub async fn session_end_all(&self, caller: &Principal) -> Result<u64, StorageError> {
        let action = caller.action(self.clock.now());
        self.storage.session_end_all(caller.user().id, EndReason::Revoked, action).await
    }

    /// Why a session is not live any more that a request was checked by; `None` where it is.
    ///
    /// # Errors
    /// Where the database is away.
    pub async fn session_ended_since(
        &self,
        session: SessionUuid,
        user: UserId,
    ) -> Result<Option<PreconditionFailed>, StorageError> {
        let found = self.storage.session_authority(Some(SessionKey::Uuid(session, user))).await?;
        Ok(match Caller::of(found.authenticated.map(Arc::new), self.clock.now()) {
            Caller::Live(_) => None,
            Caller::Banned => Some(PreconditionFailed::Banned),
            Caller::Nobody | Caller::Ambiguous | Caller::Rejected | Caller::SecondFactorPending(_) => {
                Some(PreconditionFailed::SessionEnded)
            }
        })
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
    ) -> Result<bool, StaffSessionError> {
        self.require_user(user).await?;
        let action = staff.principal().action(self.clock.now());
        Ok(self.storage.session_end(user, id, EndReason::RevokedByStaff, action).await?)
    }

    /// The same, with what was ended; `None` where there is none of this id.
    pub async fn staff_session_end_showing(
        &self,
        staff: &StaffPrincipal,
        user: UserId,
        id: SessionId,
    ) -> Result<Option<EndedSession>, StaffSessionError> {
        let found = match self.staff_session_show(staff, user, id).await {
            Ok(None) => return Ok(None),
            Ok(Some(session)) => EndedSession::Known(Box::new(session)),
            Err(StaffSessionError::Storage(StorageError::Unreadable(_))) => EndedSession::Unreadable,
            Err(error) => return Err(error),
        };
        // An id is not used again while its row is there, so what ends is what was found, or is over already.
        let ended = self.staff_session_end(staff, user, id).await?;
        Ok(ended.then_some(found))
    }

    /// Ends those of a user's sessions that are named, as staff, and says how many.
    pub async fn staff_session_end_some(
        &self,
        staff: &StaffPrincipal,
        user: UserId,
        ids: &[SessionId],
    ) -> Result<u64, StaffSessionError> {
        self.require_user(user).await?;
        let action = staff.principal().action(self.clock.now());
        Ok(self.storage.session_end_some(user, ids, EndReason::RevokedByStaff, action).await?)
    }

    /// Ends all sessions of a user, as staff, and says how many. The caller's own go too where it is the
    /// caller's id.
    pub async fn staff_session_end_all(&self, staff: &StaffPrincipal, user: UserId) -> Result<u64, StaffSessionError> {
        self.require_user(user).await?;
        let action = staff.principal().action(self.clock.now());
        Ok(self.storage.session_end_all(user, EndReason::RevokedByStaff, action).await?)
    }

    /// Ends a session if it is the caller's own, and live.
    pub async fn session_end_by_uuid(&self, caller: &Principal, uuid: SessionUuid) -> Result<(), StorageError> {
        let found = self.storage.session_locate(SessionHandle::Uuid(uuid)).await?;
        if let Some(session) = found.filter(|session| session.user == caller.user().id) {
            self.session_end(caller, session.id).await?;
        }
        Ok(())
    }

    /// A page of the caller's live sessions but the one in use, newest first, and how many there are in all.
    pub async fn session_walk_others(
        &self,
        caller: &Principal,
        start: PageStart,
        limit: u32,
    ) -> Result<(Vec<AuthenticatedSession>, u64), StorageError> {
        let filter =
            SessionFilter { user: Some(caller.user().id), except: Some(caller.session().uuid), active: Some(true) };
        let now = self.clock.now();
        let items = self.storage.session_list(filter, start, limit, now).await?;
        Ok((items, self.storage.session_count(filter, now).await?))
    }

    /// Ends the session of a token that its holder gives up. `false` where it stands for none; one that is over already
    /// is as good as ended.
    pub async fn session_end_by_token(&self, token: &str, client_ip: Option<IpAddr>) -> Result<bool, StorageError> {
        let Some(key) = self.session_key(token, self.clock.now()).await? else { return Ok(false) };
        let (handle, owner) = match key {
            SessionKey::Uuid(uuid, user) => (SessionHandle::Uuid(uuid), Some(user)),
            SessionKey::Opaque(digest) => (SessionHandle::Opaque(digest), None),
        };
        let found = self.storage.session_locate(handle).await?;
        let found = found.filter(|session| owner.is_none_or(|owner| session.user == owner));
        let Some(SessionOf { user, id }) = found else { return Ok(false) };
        let action = self.action(Actor::User(user), client_ip);
        self.storage.session_end(user, id, EndReason::Revoked, action).await?;
        Ok(true)
    }

    /// A page of sessions of any state, newest first, for staff.
    pub async fn staff_session_walk(
        &self,
        _staff: &StaffPrincipal,
        filter: SessionFilter,
        start: PageStart,
        limit: u32,
    ) -> Result<Vec<AuthenticatedSession>, StorageError> {
        self.storage.session_list(filter, start, limit, self.clock.now()).await
    }

    /// How many sessions there are of any state, for staff.
    pub async fn staff_session_count(
        &self,
        _staff: &StaffPrincipal,
        filter: SessionFilter,
    ) -> Result<u64, StorageError> {
        self.storage.session_count(filter, self.clock.now()).await
    }

    /// A session of any state with its user, for staff.
    pub async fn staff_session_by_uuid(
        &self,
        _staff: &StaffPrincipal,
        uuid: SessionUuid,
    ) -> Result<Option<AuthenticatedSession>, StorageError> {
        let Some(session) = self.storage.session_find_any(uuid).await? else { return Ok(None) };
        let user = self.storage.account_find(AccountName::Id(session.user)).await?;
        Ok(user.map(|user| AuthenticatedSession { session, user }))
    }

    /// Ends a session, as staff. `false` where it was over already, `None` where there is none.
    pub async fn staff_session_end_by_uuid(
        &self,
        staff: &StaffPrincipal,
        uuid: SessionUuid,
    ) -> Result<Option<bool>, StorageError> {
        let found = self.storage.session_locate(SessionHandle::Uuid(uuid)).await?;
        let Some(SessionOf { user, id }) = found else { return Ok(None) };
        let action = staff.principal().action(self.clock.now());
        self.storage.session_end(user, id, EndReason::RevokedByStaff, action).await.map(Some)
    }

    /// Ends those sessions that are named, as staff, whosever they are; returns how many.
    pub async fn staff_session_end_named(
        &self,
        staff: &StaffPrincipal,
        uuids: &[SessionUuid],
    ) -> Result<u64, StorageError> {
        let mut ended = 0;
        for uuid in uuids {
            ended += u64::from(self.staff_session_end_by_uuid(staff, *uuid).await? == Some(true));
        }
        Ok(ended)
    }

    /// Ends all sessions of these users, as staff; returns how many. Unknown users are skipped.
    pub async fn staff_session_end_of(&self, staff: &StaffPrincipal, users: &[UserUuid]) -> Result<u64, StorageError> {
        let mut ended = 0;
        for uuid in users {
            let Some(user) = self.storage.account_id(AccountName::Uuid(*uuid)).await? else { continue };
            let action = staff.principal().action(self.clock.now());
            ended += self.storage.session_end_all(user, EndReason::RevokedByStaff, action).await?;
        }
        Ok(ended)
    }

    /// Ends at most `limit` of everybody's sessions, newest first, as staff; returns how many, and whether there are
    /// more. The one in use goes last, so that it can ask for the rest.
    pub async fn staff_session_end_everywhere(
        &self,
        staff: &StaffPrincipal,
        limit: u32,
    ) -> Result<(u64, bool), StorageError> {
        let own = staff.principal().session();
        let filter = SessionFilter { user: None, except: Some(own.uuid), active: Some(true) };
        let found = self.storage.session_locate_some(filter, limit, self.clock.now()).await?;
        let more = found.len() >= limit as usize;
        let mut by_user: BTreeMap<UserId, Vec<SessionId>> = BTreeMap::new();
        for SessionOf { user, id } in found {
            by_user.entry(user).or_default().push(id);
        }
        if !more {
            by_user.entry(own.user).or_default().push(own.id);
        }
        let mut ended = 0;
        for (user, ids) in by_user {
            let action = staff.principal().action(self.clock.now());
            ended += self.storage.session_end_some(user, &ids, EndReason::RevokedByStaff, action).await?;
        }
        Ok((ended, more))
    }

    /// Lets a live session last one lifespan of the Kratos dialect from now on, if that is longer than it would.
    pub async fn staff_session_extend(
        &self,
        staff: &StaffPrincipal,
        uuid: SessionUuid,
    ) -> Result<Option<Session>, StorageError> {
        let action = staff.principal().action(self.clock.now());
        let until = Timestamp::from_unix_seconds(action.at.unix_seconds()).plus_seconds(self.policy.lifetimes.kratos);
        self.storage.session_extend(uuid, until, action).await
    }

    /// The user of an identity id, for staff.
    pub async fn staff_account_by_uuid(
        &self,
        _staff: &StaffPrincipal,
        uuid: UserUuid,
    ) -> Result<Option<User>, StorageError> {
        self.storage.account_find(AccountName::Uuid(uuid)).await
    }

    async fn require_user(&self, user: UserId) -> Result<(), StaffSessionError> {
        match self.storage.account_id(AccountName::Id(user)).await? {
            Some(_) => Ok(()),
            None => Err(StaffSessionError::UnknownUser),
        }
    }
}
