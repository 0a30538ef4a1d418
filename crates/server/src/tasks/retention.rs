//! Deleting what is past its retention. The storage sees to it that two replicas do not do the same work.

use std::error::Error;

use thunderhead_domain::budget::FADES_AFTER_SECONDS;
use thunderhead_domain::failed_login::WINDOW_SECONDS;
use thunderhead_domain::network::KNOWN_SECONDS;
use thunderhead_domain::ports::{self, Storage, Stored};
use thunderhead_domain::time::Timestamp;
use tokio::time::Instant;

use super::rest;
use crate::config::{Keep, RetentionPeriods};

/// How much later than it happened a failed login may be counted, in seconds.
const LATE_SECONDS: i64 = 30;
/// How long it is kept that a token was replaced, in seconds: so long staff are told whose it was.
const REPLACED_KEPT: i64 = 7 * 86_400;
/// How long a challenge or a link is kept after it could be answered or used, in seconds: as long as clocks may be apart.
const SPENT_KEPT: i64 = CLOCKS_APART_MILLIS / 1_000;
/// How far the clocks of two replicas may be apart: so long after a key took over, another replica may still have
/// signed with the one before.
const CLOCKS_APART_MILLIS: i64 = 5 * 60 * 1_000;

/// What is pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sessions,
    Audit,
    Budgets,
    Networks,
    Devices,
    Challenges,
    Links,
    ReplacedTokens,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Audit => "audit records",
            Self::Budgets => "failure budgets",
            Self::Networks => "known networks",
            Self::Devices => "known devices",
            Self::Challenges => "challenges",
            Self::Links => "one-time links",
            Self::ReplacedTokens => "replaced tokens",
        }
    }

    async fn prune_batch(self, storage: &dyn ports::Retention, before: Timestamp) -> Stored<u64> {
        match self {
            Self::Sessions => storage.prune_sessions(before).await,
            Self::Audit => storage.prune_audit(before).await,
            Self::Budgets => storage.prune_budgets(before).await,
            Self::Networks => storage.prune_networks(before).await,
            Self::Devices => storage.prune_devices(before).await,
            Self::Challenges => storage.prune_challenges(before).await,
            Self::Links => storage.prune_links(before).await,
            Self::ReplacedTokens => storage.prune_replaced_tokens(before).await,
        }
    }
}

/// How much later than the policy has ended a session its row says so, in seconds: by then what another replica has noted
/// of its use is written.
const OVERDUE_SECONDS: i64 = 120;

/// Writes how sessions ended that the policy has ended.
pub(super) async fn end_overdue(storage: &dyn ports::Backlog, now: Timestamp) -> Stored<u64> {
    let by = now.plus_seconds(-OVERDUE_SECONDS);
    let (mut ended, mut after) = (0, None);
    loop {
        let begun = Instant::now();
        let page = storage.sessions_overdue(after, by).await?;
        if !page.items.is_empty() {
            ended += storage.session_end_overdue(&page.items, now).await?;
        }
        let Some(next) = page.next else { return Ok(ended) };
        after = Some(next);
        rest(begun).await;
    }
}

/// Deletes everything that can go by now.
pub(super) async fn prune(storage: &dyn Storage, retention: RetentionPeriods, now: Timestamp) {
    match end_overdue(storage, now).await {
        Ok(0) => {}
        Ok(ended) => tracing::debug!(ended, "the ends of sessions were written that the policy has ended"),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn Error,
                "the ends of sessions were not written that the policy has ended"
            );
        }
    }
    prune_rows(storage, retention, now).await;
    if let Err(error) = prune_keys(storage, now).await {
        tracing::warn!(error = &error as &dyn Error, "old signing keys were not deleted");
    }
}

/// Writes the records of failed logins whose ten minutes are over.
pub(super) async fn record_failed_logins(storage: &dyn Storage, now: Timestamp) {
    let before = now.plus_seconds(-WINDOW_SECONDS - LATE_SECONDS);
    loop {
        match storage.failed_logins_close(before).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => return tracing::warn!(error = &error as &dyn Error, "failed logins were not recorded"),
        }
    }
}

/// Deletes signing keys whose tokens have all run out: for each key that took over, those before it; and verify-only keys
/// of which no session is left.
async fn prune_keys(storage: &dyn Storage, now: Timestamp) -> Stored<()> {
    for key in storage.signing_keys().await? {
        let taken_over = key.signs_from.plus_millis(CLOCKS_APART_MILLIS);
        if taken_over <= now {
            storage.prune_signing_keys(taken_over, now).await?;
        }
    }
    storage.prune_verification_keys(now).await?;
    Ok(())
}

/// An error of one thing does not keep the others from being pruned.
async fn prune_rows(storage: &dyn ports::Retention, retention: RetentionPeriods, now: Timestamp) {
    let all = [
        (Kind::Sessions, retention.sessions),
        (Kind::Audit, retention.audit),
        (Kind::Budgets, Keep::For(FADES_AFTER_SECONDS)),
        (Kind::Networks, Keep::For(KNOWN_SECONDS)),
        (Kind::Devices, Keep::For(KNOWN_SECONDS)),
        (Kind::Challenges, Keep::For(SPENT_KEPT)),
        (Kind::Links, Keep::For(SPENT_KEPT)),
        (Kind::ReplacedTokens, Keep::For(REPLACED_KEPT)),
    ];
    for (kind, keep) in all {
        let Some(before) = keep.until(now) else { continue };
        match prune_all(storage, kind, before).await {
            Ok(0) => {}
            Ok(deleted) => tracing::debug!(deleted, %before, "deleted old {}", kind.name()),
            Err(error) => tracing::warn!(error = &error as &dyn Error, "old {} were not deleted", kind.name()),
        }
    }
}

/// Batch after batch, each a transaction of its own.
async fn prune_all(storage: &dyn ports::Retention, kind: Kind, before: Timestamp) -> Stored<u64> {
    let mut deleted = 0;
    loop {
        let begun = Instant::now();
        match kind.prune_batch(storage, before).await? {
            0 => return Ok(deleted),
            batch => deleted += batch,
        }
        rest(begun).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use async_trait::async_trait;
    use thunderhead_domain::ports::StorageError;
    use tokio::time::sleep;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    /// What no setting keeps, and for how long it is kept.
    const ALWAYS: [(Kind, i64); 6] = [
        (Kind::Budgets, 86_400),
        (Kind::Networks, 7_776_000),
        (Kind::Devices, 7_776_000),
        (Kind::Challenges, 300),
        (Kind::Links, 300),
        (Kind::ReplacedTokens, 604_800),
    ];

    /// How long each batch takes. The clock of the tests is set forward instead of waiting.
    const BATCH_TAKES: Duration = Duration::from_millis(1);

    /// Has some rows of each kind, deletes at most two at once, and notes what it was asked, and when.
    #[derive(Default)]
    struct FakeStorage {
        left: Mutex<[u64; 8]>,
        asked: Mutex<Vec<(Kind, i64)>>,
        begun: Mutex<Vec<Instant>>,
        away: bool,
    }

    impl FakeStorage {
        async fn delete(&self, kind: Kind, before: Timestamp) -> Stored<u64> {
            self.begun.lock().unwrap().push(Instant::now());
            sleep(BATCH_TAKES).await;
            self.asked.lock().unwrap().push((kind, NOW.millis_since(before) / 1_000));
            if self.away {
                return Err(StorageError::Outage("connection refused".into()));
            }
            let left = &mut self.left.lock().unwrap()[kind as usize];
            let batch = (*left).min(2);
            *left -= batch;
            Ok(batch)
        }
    }

    #[async_trait]
    impl ports::Retention for FakeStorage {
        async fn prune_sessions(&self, before: Timestamp) -> Stored<u64> {
            self.delete(Kind::Sessions, before).await
        }

        async fn prune_audit(&self, before: Timestamp) -> Stored<u64> {
            self.delete(Kind::Audit, before).await
        }

        async fn prune_budgets(&self, before: Timestamp) -> Stored<u64> {
            self.delete(Kind::Budgets, before).await
        }

        async fn prune_networks(&self, before: Timestamp) -> Stored<u64> {
            self.delete(Kind::Networks, before).await
        }

        async fn prune_devices(&self, before: Timestamp) -> Stored<u64> {
            self.delete(Kind::Devices, before).await
        }

        async fn prune_challenges(&self, before: Timestamp) -> Stored<u64> {
            self.delete(Kind::Challenges, before).await
        }

        async fn prune_links(&self, before: Timestamp) -> Stored<u64> {
            self.delete(Kind::Links, before).await
        }

        async fn prune_replaced_tokens(&self, before: Timestamp) -> Stored<u64> {
            self.delete(Kind::ReplacedTokens, before).await
        }

        async fn prune_verification_keys(&self, _now: Timestamp) -> Stored<u64> {
            Ok(0)
        }

        async fn prune_signing_keys(&self, _retired_before: Timestamp, _now: Timestamp) -> Stored<u64> {
            Ok(0)
        }
    }

    fn pruned(storage: &FakeStorage, sessions: Keep, audit: Keep) -> Vec<(Kind, i64)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(prune_rows(storage, RetentionPeriods { sessions, audit }, NOW));
        storage.asked.lock().unwrap().clone()
    }

    #[test]
    fn batches_are_deleted_until_nothing_is_left() {
        let storage = FakeStorage { left: Mutex::new([5, 0, 1, 1, 2, 1, 3, 0]), ..FakeStorage::default() };
        let asked = pruned(&storage, Keep::For(60), Keep::For(30));
        assert_eq!(*storage.left.lock().unwrap(), [0; 8]);
        let count = |kind| asked.iter().filter(|(asked, _)| *asked == kind).count();
        let kept = [Kind::Sessions, Kind::Audit].map(count);
        let always = ALWAYS.map(|(kind, _)| count(kind));
        assert_eq!((kept, always), ([4, 1], [2, 2, 2, 2, 3, 1]));
    }

    #[test]
    fn after_a_batch_others_have_as_long_as_it_took() {
        let storage = FakeStorage { left: Mutex::new([5, 0, 0, 0, 0, 0, 0, 0]), ..FakeStorage::default() };
        pruned(&storage, Keep::For(60), Keep::Forever);
        let begun = storage.begun.lock().unwrap();
        let sessions = begun.get(..4).unwrap();
        for pair in sessions.windows(2) {
            assert!(pair[1] - pair[0] >= BATCH_TAKES * 2);
        }
    }

    #[test]
    fn the_moment_is_reckoned_back_from_the_clock() {
        let asked = pruned(&FakeStorage::default(), Keep::For(60), Keep::For(30));
        assert_eq!(asked[..2], [(Kind::Sessions, 60), (Kind::Audit, 30)]);
        assert_eq!(asked[2..], ALWAYS);
    }

    #[test]
    fn what_is_kept_for_ever_is_not_touched() {
        let storage = FakeStorage { left: Mutex::new([1, 1, 0, 0, 0, 0, 0, 0]), ..FakeStorage::default() };
        assert_eq!(pruned(&storage, Keep::Forever, Keep::Forever), ALWAYS);
        assert_eq!(*storage.left.lock().unwrap(), [1, 1, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn an_outage_is_survived() {
        let storage = FakeStorage { away: true, ..FakeStorage::default() };
        assert_eq!(pruned(&storage, Keep::For(60), Keep::For(30)).len(), 8);
    }
}
