//! Following the server's feed: what it says is learnt, and where it cannot be read, everything is taken to have changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::answer::Concern;
use crate::client::{FeedReply, ServerClient};
use crate::error::Unavailable;
use crate::invalidation::FeedInvalidations;

/// The first pause after a failure; each further one is twice as long, up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A server that does not wait when it is told to is not asked more often than this.
const LEAST_BETWEEN: Duration = Duration::from_millis(50);

pub(crate) struct FeedReader {
    client: Arc<ServerClient>,
    invalidations: Arc<FeedInvalidations>,
    /// How long the server is to wait for an event, in seconds.
    wait: u64,
    /// How long it may take besides.
    deadline: Duration,
}

impl FeedReader {
    pub(crate) fn new(
        client: Arc<ServerClient>,
        invalidations: Arc<FeedInvalidations>,
        wait: u64,
        deadline: Duration,
    ) -> Self {
        Self { client, invalidations, wait, deadline }
    }

    /// Follows the feed for as long as it is polled.
    pub(crate) async fn follow(self) {
        let mut cursor = None;
        let mut pause = SHORTEST_PAUSE;
        loop {
            match self.step(&mut cursor).await {
                Ok(()) if pause > SHORTEST_PAUSE => {
                    tracing::info!("the feed of ended sessions is read again");
                    pause = SHORTEST_PAUSE;
                }
                Ok(()) => {}
                Err(reason) => {
                    if pause == SHORTEST_PAUSE {
                        tracing::warn!(reason = %reason, "the feed of ended sessions cannot be read: nothing is kept");
                    }
                    self.invalidations.learn(Concern::Everybody);
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Asks once, and learns what the answer says.
    async fn step(&self, cursor: &mut Option<String>) -> Result<(), Unavailable> {
        let begun = Instant::now();
        let Some(after) = cursor.as_deref() else {
            if let FeedReply::Page(page) = within(self.deadline, self.client.feed_end()).await? {
                *cursor = Some(page.next);
            }
            // What happened before that is told by nobody.
            self.invalidations.learn(Concern::Everybody);
            return if cursor.is_some() { Ok(()) } else { Err(Unavailable::NotUnderstood("a feed without an end")) };
        };
        let longest = self.deadline + Duration::from_secs(self.wait);
        match within(longest, self.client.feed_after(after, self.wait)).await? {
            FeedReply::Page(page) => {
                let is_empty = page.concerns.is_empty();
                page.concerns.into_iter().for_each(|concern| self.invalidations.learn(concern));
                *cursor = Some(page.next);
                if is_empty {
                    sleep(LEAST_BETWEEN.saturating_sub(begun.elapsed())).await;
                }
            }
            FeedReply::Gone => {
                tracing::warn!("the server does not know where this reader of its feed was: nothing is kept");
                *cursor = None;
                self.invalidations.learn(Concern::Everybody);
            }
        }
        Ok(())
    }
}

async fn within<T>(longest: Duration, asking: impl Future<Output = Result<T, Unavailable>>) -> Result<T, Unavailable> {
    timeout(longest, asking).await.unwrap_or(Err(Unavailable::Deadline))
}
