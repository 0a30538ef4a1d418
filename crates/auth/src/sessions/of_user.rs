//! The sessions of one user: seen and ended by themselves, by staff, or by the operator.

use std::net::IpAddr;

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::id::{SessionId, SessionUuid, UserId};
use thunderhead_domain::ports::{Page, PageRequest, PageStart, SessionFilter, SessionHandle, StorageError};
use thunderhead_domain::session::{Actor, EndReason, Session};
use tracing::instrument;

use crate::environment::Environment;

/// Who ends sessions, and what the sessions are then said to have ended by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ender {
    by: Actor,
    client_ip: Option<IpAddr>,
    pub(crate) why: EndReason,
}

impl Ender {
    /// Whoever acts with a session of this actor's, which is all that they need.
    pub(crate) const fn holder(by: Actor, client_ip: Option<IpAddr>) -> Self {
        Self { by, client_ip, why: EndReason::Revoked }
    }

    /// Whoever has a token, and has not shown that they are its user.
    pub(crate) const fn finder(client_ip: Option<IpAddr>) -> Self {
        Self { by: Actor::Stranger, client_ip, why: EndReason::RevokedByHolder }
    }

    pub(crate) fn user(caller: &Principal) -> Self {
        Self::holder(Actor::User(caller.user().id), caller.client_ip())
    }

    pub(crate) fn staff(staff: &StaffPrincipal) -> Self {
        Self { why: EndReason::RevokedByStaff, ..Self::user(staff.principal()) }
    }

    pub(crate) const fn operator() -> Self {
        Self { by: Actor::CommandLine, client_ip: None, why: EndReason::Operator }
    }

    pub(crate) fn action(&self, environment: &Environment) -> ActionContext {
        ActionContext { at: environment.now(), by: self.by, client_ip: self.client_ip }
    }
}

/// A session that was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndedSession {
    /// As it was before.
    Known(Box<Session>),
    /// Its row cannot be read: that has kept nobody from ending it.
    Unreadable,
}

/// One user's sessions, as somebody may see and end them.
pub struct UserSessions<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) user: UserId,
    pub(crate) ender: Ender,
    /// The session in use, where it is the user's own request.
    pub(crate) current: Option<&'a Session>,
}

impl UserSessions<'_> {
    /// A live session. The one in use was looked up a moment ago, and is not read once more: it may have ended since.
    #[instrument(level = "debug", skip_all)]
    pub async fn show(&self, id: SessionId) -> Result<Option<Session>, StorageError> {
        match self.current {
            Some(current) if current.id == id => Ok(Some(current.clone())),
            _ => self.environment.storage.session_find(self.user, id, self.environment.now()).await,
        }
    }

    /// The live sessions, newest first.
    #[instrument(level = "debug", skip_all)]
    pub async fn list(&self, page: PageRequest) -> Result<Page<Session>, StorageError> {
        self.environment.storage.session_page(self.user, page, self.environment.now()).await
    }

    /// A page of the live sessions but the one in use, newest first, and how many there are in all.
    #[instrument(level = "debug", skip_all)]
    pub async fn list_others(&self, start: PageStart, limit: u32) -> Result<Page<Session>, StorageError> {
        let current = self.current.map(|current| current.uuid);
        self.environment.storage.session_page_but(self.user, current, start, limit, self.environment.now()).await
    }

    /// A page of the live sessions but the one in use that are not scoped, newest first.
    #[instrument(level = "debug", skip_all)]
    pub async fn list_full_others(&self, start: PageStart, limit: u32) -> Result<Vec<Session>, StorageError> {
        let except = self.current.map(|current| current.uuid);
        self.list_those(SessionFilter { except, scoped: Some(false), ..self.live() }, start, limit).await
    }

    /// A page of the live scoped sessions, newest first.
    #[instrument(level = "debug", skip_all)]
    pub async fn list_scoped(&self, start: PageStart, limit: u32) -> Result<Vec<Session>, StorageError> {
        self.list_those(SessionFilter { scoped: Some(true), ..self.live() }, start, limit).await
    }

    async fn list_those(
        &self,
        filter: SessionFilter,
        start: PageStart,
        limit: u32,
    ) -> Result<Vec<Session>, StorageError> {
        let found = self.environment.storage.session_list(filter, start, limit, self.environment.now()).await?;
        Ok(found.into_iter().map(|authenticated| authenticated.session).collect())
    }

    /// Those that somebody ended of late.
    #[instrument(level = "debug", skip_all)]
    pub async fn recently_ended(&self, limit: u32) -> Result<Vec<Session>, StorageError> {
        self.environment.storage.session_recently_ended(self.user, limit, self.environment.now()).await
    }

    fn live(&self) -> SessionFilter {
        SessionFilter { user: Some(self.user), active: Some(true), ..SessionFilter::default() }
    }

    /// Ends a session; `false` where there is none of this id.
    #[instrument(level = "debug", skip_all)]
    pub async fn end(&self, id: SessionId) -> Result<bool, StorageError> {
        let Ender { why, .. } = self.ender;
        self.environment.storage.session_end(self.user, id, why, self.ender.action(self.environment)).await
    }

    /// The same, with what was ended; `None` where there is none of this id.
    #[instrument(level = "debug", skip_all)]
    pub async fn end_showing(&self, id: SessionId) -> Result<Option<EndedSession>, StorageError> {
        let found = match self.show(id).await {
            Ok(None) => return Ok(None),
            Ok(Some(session)) => EndedSession::Known(Box::new(session)),
            Err(StorageError::Unreadable(_)) => EndedSession::Unreadable,
            Err(error) => return Err(error),
        };
        // An id is not used again while its row is there, so what ends is what was found, or is over already.
        Ok(self.end(id).await?.then_some(found))
    }

    /// Ends a session if it is this user's, and live.
    #[instrument(level = "debug", skip_all)]
    pub async fn end_by_uuid(&self, uuid: SessionUuid) -> Result<(), StorageError> {
        let found = self.environment.storage.session_locate(SessionHandle::Uuid(uuid)).await?;
        if let Some(session) = found.filter(|session| session.user == self.user) {
            self.end(session.id).await?;
        }
        Ok(())
    }

    /// Ends those sessions that are named, and says how many.
    #[instrument(level = "debug", skip_all)]
    pub async fn end_some(&self, ids: &[SessionId]) -> Result<u64, StorageError> {
        let action = self.ender.action(self.environment);
        self.environment.storage.session_end_some(self.user, ids, self.ender.why, action).await
    }

    /// Ends all sessions but the one in use, and says how many.
    #[instrument(level = "debug", skip_all)]
    pub async fn end_others(&self) -> Result<u64, StorageError> {
        let Some(current) = self.current else { return self.end_all().await };
        let action = self.ender.action(self.environment);
        self.environment.storage.session_end_others(self.user, current.uuid, self.ender.why, action).await
    }

    /// Ends all sessions, and says how many. The one in use goes too.
    #[instrument(level = "debug", skip_all)]
    pub async fn end_all(&self) -> Result<u64, StorageError> {
        let action = self.ender.action(self.environment);
        self.environment.storage.session_end_all(self.user, self.ender.why, action).await
    }
}
