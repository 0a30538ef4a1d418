//! Forgetting what is over for long enough: a task beside the server, on every replica. The storage sees to it
//! that two of them do not do the same work.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use thunderhead_domain::budget::FADES_AFTER_SECONDS;
use thunderhead_domain::failed_login::WINDOW_SECONDS;
use thunderhead_domain::network::KNOWN_SECONDS;
use thunderhead_domain::ports::{self, Clock, Storage, Stored};
use thunderhead_domain::time::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, sleep};

/// How often there is a look at what can go.
const INTERVAL: Duration = Duration::from_secs(5 * 60);
/// How often failed logins become records.
const RECORD_INTERVAL: Duration = Duration::from_secs(60);
/// How much later than it happened a failed login may be counted, in seconds.
const LATE_SECONDS: i64 = 30;
/// How long a challenge is kept after it could be answered, in seconds: as long as clocks may be apart.
const CHALLENGES_KEPT: i64 = CLOCKS_APART_MILLIS / 1_000;

/// How far the clocks of two replicas may be apart: so long after a key took over, another replica may still have
/// signed with the one before.
const CLOCKS_APART_MILLIS: i64 = 5 * 60 * 1_000;

/// How long something is kept once it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// So many seconds.
    For(i64),
    /// For ever.
    Forever,
}

impl Keep {
    /// What was over before this moment can go.
    fn until(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::For(seconds) => Some(now.plus_seconds(-seconds)),
            Self::Forever => None,
        }
    }
}

/// How long what is over is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetentionPeriods {
    /// Sessions, from their end or expiry on.
    pub(crate) sessions: Keep,
    /// Records of the audit trail.
    pub(crate) audit: Keep,
}

/// What is pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Sessions,
    Audit,
    Budgets,
    Networks,
    Challenges,
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Audit => "audit records",
            Self::Budgets => "failure budgets",
            Self::Networks => "known networks",
            Self::Challenges => "challenges",
        }
    }

    async fn prune_batch(self, storage: &dyn ports::Retention, before: Timestamp) -> Stored<u64> {
        match self {
            Self::Sessions => storage.prune_sessions(before).await,
            Self::Audit => storage.prune_audit(before).await,
            Self::Budgets => storage.prune_budgets(before).await,
            Self::Networks => storage.prune_networks(before).await,
            Self::Challenges => storage.prune_challenges(before).await,
        }
    }
}

/// Prunes at once and then regularly, until the task is ended. A database that is away is tried again.
pub(crate) async fn prune_regularly(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, retention: RetentionPeriods) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        prune(&*storage, retention, clock.now()).await;
        if let Err(error) = prune_keys(&*storage, clock.now()).await {
            tracing::warn!(error = &error as &dyn Error, "old signing keys were not deleted");
        }
    }
}

/// Writes the records of failed logins whose ten minutes are over, regularly, until the task is ended.
pub(crate) async fn record_failed_logins(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>) {
    let mut ticks = tokio::time::interval(RECORD_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let before = clock.now().plus_seconds(-WINDOW_SECONDS - LATE_SECONDS);
        loop {
            match storage.failed_logins_close(before).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = &error as &dyn Error, "failed logins were not recorded");
                    break;
                }
            }
        }
    }
}

/// Deletes signing keys whose tokens have all run out: for each key that took over, those before it.
async fn prune_keys(storage: &dyn Storage, now: Timestamp) -> Stored<()> {
    for key in storage.signing_keys().await? {
        let taken_over = key.signs_from.plus_millis(CLOCKS_APART_MILLIS);
        if taken_over <= now {
            storage.prune_signing_keys(taken_over, now).await?;
        }
    }
    Ok(())
}

/// Prunes everything that can go by now. Trouble with one thing does not keep the others from being pruned.
async fn prune(storage: &dyn ports::Retention, retention: RetentionPeriods, now: Timestamp) {
    let all = [
        (What::Sessions, retention.sessions),
        (What::Audit, retention.audit),
        (What::Budgets, Keep::For(FADES_AFTER_SECONDS)),
        (What::Networks, Keep::For(KNOWN_SECONDS)),
        (What::Challenges, Keep::For(CHALLENGES_KEPT)),
    ];
    for (what, keep) in all {
        let Some(before) = keep.until(now) else { continue };
        match prune_all(storage, what, before).await {
            Ok(0) => {}
            Ok(deleted) => tracing::debug!(deleted, %before, "deleted old {}", what.name()),
            Err(error) => tracing::warn!(error = &error as &dyn Error, "old {} were not deleted", what.name()),
        }
    }
}

/// Batch after batch, each a transaction of its own. After each, others have the database for as long as it took: so
/// no more than half of a processor is busy with this, and the slower everything is, the more room there is.
async fn prune_all(storage: &dyn ports::Retention, what: What, before: Timestamp) -> Stored<u64> {
    let mut deleted = 0;
    loop {
        let begun = Instant::now();
        match what.prune_batch(storage, before).await? {
            0 => return Ok(deleted),
            batch => deleted += batch,
        }
        sleep(begun.elapsed()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use thunderhead_domain::ports::StorageError;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    /// What no setting keeps, and for how long it is kept.
    const ALWAYS: [(What, i64); 3] = [(What::Budgets, 86_400), (What::Networks, 7_776_000), (What::Challenges, 300)];

    /// How long each batch takes. The clock of the tests is set forward instead of waiting.
    const BATCH_TAKES: Duration = Duration::from_millis(1);

    /// Has some rows of each kind, deletes at most two at once, and caches what it was asked, and since when.
    #[derive(Default)]
    struct Rows {
        left: Mutex<[u64; 5]>,
        asked: Mutex<Vec<(What, i64)>>,
        begun: Mutex<Vec<Instant>>,
        away: bool,
    }

    impl Rows {
        async fn delete(&self, what: What, before: Timestamp) -> Stored<u64> {
            self.begun.lock().unwrap().push(Instant::now());
            sleep(BATCH_TAKES).await;
            self.asked.lock().unwrap().push((what, NOW.millis_since(before) / 1_000));
            if self.away {
                return Err(StorageError::Outage("connection refused".into()));
            }
            let left = &mut self.left.lock().unwrap()[what as usize];
            let batch = (*left).min(2);
            *left -= batch;
            Ok(batch)
        }
    }

    #[async_trait]
    impl ports::Retention for Rows {
        async fn prune_sessions(&self, before: Timestamp) -> Stored<u64> {
            self.delete(What::Sessions, before).await
        }

        async fn prune_audit(&self, before: Timestamp) -> Stored<u64> {
            self.delete(What::Audit, before).await
        }

        async fn prune_budgets(&self, before: Timestamp) -> Stored<u64> {
            self.delete(What::Budgets, before).await
        }

        async fn prune_networks(&self, before: Timestamp) -> Stored<u64> {
            self.delete(What::Networks, before).await
        }

        async fn prune_challenges(&self, before: Timestamp) -> Stored<u64> {
            self.delete(What::Challenges, before).await
        }

        async fn prune_signing_keys(&self, _retired_before: Timestamp, _now: Timestamp) -> Stored<u64> {
            Ok(0)
        }
    }

    fn pruned(rows: &Rows, sessions: Keep, audit: Keep) -> Vec<(What, i64)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(prune(rows, RetentionPeriods { sessions, audit }, NOW));
        rows.asked.lock().unwrap().clone()
    }

    #[test]
    fn batches_are_deleted_until_nothing_is_left() {
        let rows = Rows { left: Mutex::new([5, 0, 1, 1, 1]), ..Rows::default() };
        let asked = pruned(&rows, Keep::For(60), Keep::For(30));
        assert_eq!(*rows.left.lock().unwrap(), [0, 0, 0, 0, 0]);
        let count = |what| asked.iter().filter(|(asked, _)| *asked == what).count();
        let counts = [What::Sessions, What::Audit, What::Budgets, What::Networks, What::Challenges].map(count);
        assert_eq!(counts, [4, 1, 2, 2, 2]);
    }

    #[test]
    fn after_a_batch_others_have_as_long_as_it_took() {
        let rows = Rows { left: Mutex::new([5, 0, 0, 0, 0]), ..Rows::default() };
        pruned(&rows, Keep::For(60), Keep::Forever);
        let begun = rows.begun.lock().unwrap();
        let sessions = begun.get(..4).unwrap();
        for pair in sessions.windows(2) {
            assert!(pair[1] - pair[0] >= BATCH_TAKES * 2);
        }
    }

    #[test]
    fn the_moment_is_reckoned_back_from_the_clock() {
        let asked = pruned(&Rows::default(), Keep::For(60), Keep::For(30));
        assert_eq!(asked[..2], [(What::Sessions, 60), (What::Audit, 30)]);
        assert_eq!(asked[2..], ALWAYS);
    }

    #[test]
    fn what_is_kept_for_ever_is_not_touched() {
        let rows = Rows { left: Mutex::new([1, 1, 0, 0, 0]), ..Rows::default() };
        assert_eq!(pruned(&rows, Keep::Forever, Keep::Forever), ALWAYS);
        assert_eq!(*rows.left.lock().unwrap(), [1, 1, 0, 0, 0]);
    }

    #[test]
    fn an_outage_is_survived() {
        let rows = Rows { away: true, ..Rows::default() };
        assert_eq!(pruned(&rows, Keep::For(60), Keep::For(30)).len(), 5);
    }
}
