//! The feed of events, for other services (`docs/API.md`, *The feed*): what has no number yet is numbered by whoever reads.

pub mod wait;

use thunderhead_domain::event::EventCursor;
use thunderhead_domain::ports::{FeedPage, FeedQuery, FeedStatus, StorageError};
use tokio::sync::Mutex;
use tracing::instrument;

use self::wait::Waiters;
use crate::environment::Environment;

/// How many batches one reader numbers at most before it is answered: the rest is there for the next.
const MOST_BATCHES: u32 = 20;

/// The events.
pub struct EventFeed {
    environment: Environment,
    /// One in a process is enough: the others would wait for it in the database.
    numbering: Mutex<()>,
    waiters: Waiters,
}

impl EventFeed {
    pub(crate) fn new(environment: Environment) -> Self {
        Self { environment, numbering: Mutex::default(), waiters: Waiters::default() }
    }

    /// The events after a place: all that were committed before this was called are among them or behind them.
    ///
    /// # Errors
    /// Where the database is away.
    #[instrument(level = "debug", skip_all)]
    pub async fn read(&self, query: FeedQuery) -> Result<FeedPage, StorageError> {
        let status = self.number().await?;
        match self.environment.storage.feed_page(query).await? {
            FeedPage::Page { items, next, more } => Ok(FeedPage::Page { items, next, more: more || status.pending }),
            FeedPage::Gone { first } => Ok(FeedPage::Gone { first }),
        }
    }

    /// The place of the latest event: whoever begins there is told all that is committed from now on.
    ///
    /// # Errors
    /// Where the database is away.
    #[instrument(level = "debug", skip_all)]
    pub async fn latest(&self) -> Result<EventCursor, StorageError> {
        Ok(self.number().await?.latest)
    }

    /// Numbers what was committed.
    async fn number(&self) -> Result<FeedStatus, StorageError> {
        let storage = &self.environment.storage;
        let status = storage.feed_status().await?;
        if !status.pending {
            return Ok(status);
        }
        let _turn = self.numbering.lock().await;
        for _ in 0..MOST_BATCHES {
            // Whoever had the turn before may have done it all.
            let status = storage.feed_status().await?;
            if !status.pending {
                return Ok(status);
            }
            storage.feed_number().await?;
        }
        storage.feed_status().await
    }
}
