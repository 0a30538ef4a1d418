//! Answers that are kept for a while: by the digest of the token, never by the token, and no more than so many.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use thunderhead_domain::session::TokenDigest;

use crate::invalidation::{AsOfEvent, FeedInvalidations};
use crate::session::LiveSession;
use crate::time::Time;

/// A session, and when the server was asked about it.
#[derive(Clone)]
pub(crate) struct Vouched {
    pub(crate) session: Arc<LiveSession>,
    /// Read before the question was sent.
    pub(crate) as_of: AsOfEvent,
    /// The same.
    pub(crate) asked_at: Duration,
}

pub(crate) struct AnswerCache {
    kept: Cache<TokenDigest, Vouched>,
    longest: Duration,
    invalidations: Arc<FeedInvalidations>,
    time: Arc<dyn Time>,
}

impl AnswerCache {
    /// So many at most, each for so long from the question on.
    pub(crate) fn new(
        entries: usize,
        longest: Duration,
        invalidations: Arc<FeedInvalidations>,
        time: Arc<dyn Time>,
    ) -> Self {
        Self { kept: Cache::new(entries), longest, invalidations, time }
    }

    /// The session that this token leads to, where that is still known.
    pub(crate) fn get(&self, digest: &TokenDigest) -> Option<Arc<LiveSession>> {
        let vouched = self.kept.get(digest)?;
        self.holds(&vouched).then_some(vouched.session)
    }

    /// Keeps an answer, unless it is of no use any more.
    pub(crate) fn keep(&self, digest: TokenDigest, vouched: &Vouched) {
        if self.holds(vouched) {
            self.kept.insert(digest, vouched.clone());
        }
    }

    /// There is no such session any more.
    pub(crate) fn forget(&self, digest: &TokenDigest) {
        self.kept.remove(digest);
    }

    fn holds(&self, vouched: &Vouched) -> bool {
        let age = self.time.elapsed().saturating_sub(vouched.asked_at);
        age < self.longest
            && vouched.session.expires_at() > self.time.now()
            && self.invalidations.holds(&vouched.session, vouched.as_of)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Concern;
    use crate::testing::{TestTime, session};

    const LONGEST: Duration = Duration::from_secs(30);

    struct Kept {
        cache: AnswerCache,
        told: Arc<FeedInvalidations>,
        time: Arc<TestTime>,
    }

    impl Kept {
        fn new(entries: usize) -> Self {
            let (told, time) = (Arc::new(FeedInvalidations::new()), Arc::new(TestTime::default()));
            let cache = AnswerCache::new(entries, LONGEST, Arc::clone(&told), Arc::clone(&time) as _);
            Self { cache, told, time }
        }

        /// What an answer would be to a question that is sent now.
        fn asked(&self) -> Vouched {
            let session = Arc::new(session("1700000000123", 1));
            Vouched { session, as_of: self.told.as_of(), asked_at: self.time.elapsed() }
        }
    }

    const DIGEST: TokenDigest = TokenDigest([7; 32]);

    #[test]
    fn an_answer_is_kept_for_so_long_from_its_question_on() {
        let kept = Kept::new(10);
        let asked = kept.asked();
        // The answer took its time.
        kept.time.advance(Duration::from_secs(2));
        kept.cache.keep(DIGEST, &asked);
        kept.time.advance(LONGEST - Duration::from_millis(2_001));
        assert!(kept.cache.get(&DIGEST).is_some());
        kept.time.advance(Duration::from_millis(1));
        assert!(kept.cache.get(&DIGEST).is_none());
        kept.cache.keep(DIGEST, &asked);
        assert!(kept.cache.get(&DIGEST).is_none());
    }

    #[test]
    fn an_answer_that_was_asked_before_an_event_and_came_after_it_is_not_kept() {
        let kept = Kept::new(10);
        let asked = kept.asked();
        kept.told.learn(Concern::Session(asked.session.uuid()));
        kept.cache.keep(DIGEST, &asked);
        assert!(kept.cache.get(&DIGEST).is_none());
        // One that was asked after it is.
        kept.cache.keep(DIGEST, &kept.asked());
        assert!(kept.cache.get(&DIGEST).is_some());
        kept.told.learn(Concern::Everybody);
        assert!(kept.cache.get(&DIGEST).is_none());
    }

    #[test]
    fn a_session_is_known_no_longer_than_it_lives() {
        let kept = Kept::new(10);
        let mut asked = kept.asked();
        let expires_at = kept.time.now().plus_seconds(5);
        asked.session = Arc::new(LiveSession { expires_at, ..session("1700000000123", 1) });
        kept.cache.keep(DIGEST, &asked);
        kept.time.advance(Duration::from_millis(4_999));
        assert!(kept.cache.get(&DIGEST).is_some());
        kept.time.advance(Duration::from_millis(1));
        assert!(kept.cache.get(&DIGEST).is_none());
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let kept = Kept::new(100);
        for number in 0..10_000_u32 {
            let mut digest = [0; 32];
            digest[..4].copy_from_slice(&number.to_be_bytes());
            kept.cache.keep(TokenDigest(digest), &kept.asked());
        }
        assert!(kept.cache.len() <= 100, "{}", kept.cache.len());
    }
}
