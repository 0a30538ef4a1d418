//! Finishing what requests began. Each call is a transaction of its own.

use async_trait::async_trait;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{Backlog, OverCap, Stored};
use thunderhead_domain::time::Timestamp;

use super::deleted_users;
use super::operations::Database;
use super::operations::sessions::{caps, revoke};

#[async_trait]
impl Backlog for Database {
    async fn write_ends(&self) -> Stored<u64> {
        self.write(|connection| Ok(revoke::write_ends(connection)?)).await
    }

    async fn delete_removed(&self) -> Stored<u64> {
        self.write(|connection| Ok(deleted_users::delete_some(connection)?)).await
    }

    async fn sessions_over_cap(&self, cap: u32, now: Timestamp) -> Stored<Option<OverCap>> {
        caps::over_cap(self, cap, now).await
    }

    async fn session_end_over_cap(&self, user: UserId, sessions: &[SessionUuid], action: ActionContext) -> Stored<u64> {
        let sessions = sessions.to_vec();
        self.write(move |connection| caps::end_over_cap(connection, user, &sessions, &action)).await
    }
}
