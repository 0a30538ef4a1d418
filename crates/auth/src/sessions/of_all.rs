//! Everybody's sessions: seen and ended by staff or by the operator.

use std::collections::BTreeMap;

use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::id::{SessionId, SessionUuid, UserId, UserUuid};
use thunderhead_domain::ports::{AccountName, PageStart, SessionFilter, SessionHandle, SessionOf, StorageError};
use thunderhead_domain::session::Session;
use thunderhead_domain::time::Timestamp;
use tracing::instrument;

use crate::environment::Environment;
use crate::sessions::of_user::Ender;

/// Everybody's sessions, as somebody may see and end them.
pub struct AllSessions<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) ender: Ender,
    /// The session in use, where there is one.
    pub(crate) current: Option<&'a Session>,
}

impl AllSessions<'_> {
    /// A page of sessions of any state, newest first.
    #[instrument(level = "debug", skip_all)]
    pub async fn list(
        &self,
        filter: SessionFilter,
        start: PageStart,
        limit: u32,
    ) -> Result<Vec<AuthenticatedSession>, StorageError> {
        self.environment.storage.session_list(filter, start, limit, self.environment.now()).await
    }

    /// How many sessions there are of any state.
    #[instrument(level = "debug", skip_all)]
    pub async fn count(&self, filter: SessionFilter) -> Result<u64, StorageError> {
        self.environment.storage.session_count(filter, self.environment.now()).await
    }

    /// A session of any state.
    #[instrument(level = "debug", skip_all)]
    pub async fn find(&self, uuid: SessionUuid) -> Result<Option<Session>, StorageError> {
        self.environment.storage.session_find_any(uuid).await
    }

    /// A session of any state with its user.
    #[instrument(level = "debug", skip_all)]
    pub async fn show(&self, uuid: SessionUuid) -> Result<Option<AuthenticatedSession>, StorageError> {
        self.environment.storage.session_find_with_user(uuid).await
    }

    /// Ends a session. `false` where it was over already, `None` where there is none.
    #[instrument(level = "debug", skip_all)]
    pub async fn end(&self, uuid: SessionUuid) -> Result<Option<bool>, StorageError> {
        let found = self.environment.storage.session_locate(SessionHandle::Uuid(uuid)).await?;
        let Some(SessionOf { user, id }) = found else { return Ok(None) };
        let action = self.ender.action(self.environment);
        self.environment.storage.session_end(user, id, self.ender.why, action).await.map(Some)
    }

    /// Ends those sessions that are named, whosever they are; returns how many.
    #[instrument(level = "debug", skip_all)]
    pub async fn end_named(&self, uuids: &[SessionUuid]) -> Result<u64, StorageError> {
        let mut ended = 0;
        for uuid in uuids {
            ended += u64::from(self.end(*uuid).await? == Some(true));
        }
        Ok(ended)
    }

    /// Ends all sessions of these users; returns how many. Unknown users are skipped.
    #[instrument(level = "debug", skip_all)]
    pub async fn end_of(&self, users: &[UserUuid]) -> Result<u64, StorageError> {
        let mut ended = 0;
        for uuid in users {
            let Some(user) = self.environment.storage.account_id(AccountName::Uuid(*uuid)).await? else { continue };
            let action = self.ender.action(self.environment);
            ended += self.environment.storage.session_end_all(user, self.ender.why, action).await?;
        }
        Ok(ended)
    }

    /// Ends at most `limit` of everybody's sessions, newest first; returns how many, and whether there are more. The
    /// one in use goes last, so that it can ask for the rest.
    #[instrument(level = "debug", skip_all)]
    pub async fn end_newest(&self, limit: u32) -> Result<(u64, bool), StorageError> {
        let except = self.current.map(|current| current.uuid);
        let filter = SessionFilter { except, active: Some(true), ..SessionFilter::default() };
        let storage = &self.environment.storage;
        let found = storage.session_locate_some(filter, limit, self.environment.now()).await?;
        let more = found.len() >= limit as usize;
        let mut by_user: BTreeMap<UserId, Vec<SessionId>> = BTreeMap::new();
        for SessionOf { user, id } in found {
            by_user.entry(user).or_default().push(id);
        }
        if let Some(current) = self.current
            && !more
        {
            by_user.entry(current.user).or_default().push(current.id);
        }
        let mut ended = 0;
        for (user, ids) in by_user {
            let action = self.ender.action(self.environment);
            ended += storage.session_end_some(user, &ids, self.ender.why, action).await?;
        }
        Ok((ended, more))
    }

    /// Ends everybody's sessions that were made before a moment, or until now; returns how many.
    #[instrument(level = "debug", skip_all)]
    pub async fn end_before(&self, before: Option<Timestamp>) -> Result<u64, StorageError> {
        let action = self.ender.action(self.environment);
        let before = before.unwrap_or(action.at.plus_millis(1));
        self.environment.storage.session_end_everywhere(before, self.ender.why, action).await
    }

    /// Lets a live session last `lifetime` seconds from now on, if that is longer than it would.
    #[instrument(level = "debug", skip_all)]
    pub async fn extend(&self, uuid: SessionUuid, lifetime: i64) -> Result<Option<Session>, StorageError> {
        let action = self.ender.action(self.environment);
        let until = Timestamp::from_unix_seconds(action.at.unix_seconds()).plus_seconds(lifetime);
        self.environment.storage.session_extend(uuid, until, action).await
    }
}
