//! Finishing what requests began. Each call is a transaction of its own.

use super::operations::Database;
use super::operations::sessions::{caps, overdue};
use async_trait::async_trait;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{Backlog, OverCap, Overdue, Stored};
use thunderhead_domain::search::KeysetPage;
use thunderhead_domain::time::Timestamp;
use tracing::instrument;

#[async_trait]
impl Backlog for Database {
    #[instrument(level = "debug", skip_all)]
    async fn write_ends(&self) -> Stored<u64> {
        self.write_alone(|transaction| Ok(transaction.write_some_ends()?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn delete_removed(&self) -> Stored<u64> {
        self.write_alone(|transaction| Ok(transaction.delete_some_of_deleted_users()?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn sessions_over_cap(&self, now: Timestamp) -> Stored<Option<OverCap>> {
        caps::over_cap(self, now).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_end_over_cap(&self, user: UserId, sessions: &[SessionUuid], action: ActionContext) -> Stored<u64> {
        let sessions = sessions.to_vec();
        self.write_alone(move |transaction| caps::end_over_cap(transaction, user, &sessions, &action)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn sessions_overdue(&self, after: Option<UserId>, by: Timestamp) -> Stored<KeysetPage<Overdue, UserId>> {
        self.snapshot(move |connection| overdue::page(connection, after, by)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn session_end_overdue(&self, sessions: &[Overdue], now: Timestamp) -> Stored<u64> {
        let sessions = sessions.to_vec();
        self.write_alone(move |transaction| overdue::end(transaction, &sessions, now)).await
    }
}
