//! Asking the server, once for all who wait together.
//!
//! A request must not be answered by what the server said before it arrived: its session may have been ended in between. So
//! of each token one question is under way, and whoever arrives meanwhile shares the *next*, which begins when this one is
//! over. As long as a question waits for its turn, everybody may join it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use thunderhead_domain::session::TokenDigest;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::cache::{AnswerCache, Vouched};
use crate::client::ServerClient;
use crate::error::Unavailable;
use crate::invalidation::FeedInvalidations;
use crate::time::Time;

/// How often it is logged that the server does not answer.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What a question comes to.
pub(crate) type QuestionResult = Result<Option<Vouched>, Unavailable>;

/// How much may be asked at once, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuestionLimits {
    /// How long a request waits, and how long the server may take.
    pub(crate) deadline: Duration,
    /// Questions that are under way at once.
    pub(crate) at_once: usize,
    /// Requests that wait for an answer.
    pub(crate) waiting: usize,
}

#[derive(Clone)]
pub(crate) struct Questions {
    shared: Arc<Shared>,
    /// Questions are asked here, and not where the request is served: who gives up takes nobody else's answer along.
    runtime: Handle,
}

struct Shared {
    client: Arc<ServerClient>,
    limits: QuestionLimits,
    /// One entry for each token that somebody wants to know about, and as many tasks.
    pending: Mutex<HashMap<TokenDigest, Pending>>,
    turns: Semaphore,
    places: Semaphore,
    cache: Option<AnswerCache>,
    invalidations: Arc<FeedInvalidations>,
    time: Arc<dyn Time>,
    /// When trouble was last logged, in milliseconds; 0 before that.
    logged_at: AtomicU64,
}

struct Pending {
    token: Arc<SecretString>,
    /// Who shares the next question.
    waiting: Vec<oneshot::Sender<QuestionResult>>,
}

impl Questions {
    pub(crate) fn new(
        client: Arc<ServerClient>,
        limits: QuestionLimits,
        cache: Option<AnswerCache>,
        (invalidations, time): (Arc<FeedInvalidations>, Arc<dyn Time>),
        runtime: Handle,
    ) -> Self {
        let shared = Shared {
            client,
            limits,
            pending: Mutex::default(),
            turns: Semaphore::new(limits.at_once),
            places: Semaphore::new(limits.waiting),
            cache,
            invalidations,
            time,
            logged_at: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared), runtime }
    }

    /// What is kept, where answers are kept.
    pub(crate) fn cache(&self) -> Option<&AnswerCache> {
        self.shared.cache.as_ref()
    }

    /// Has the server asked, by a question that begins after this call.
    ///
    /// # Errors
    /// Why nobody can tell, within the deadline.
    pub(crate) async fn ask(&self, digest: TokenDigest, token: &str) -> QuestionResult {
        let _place = self.shared.places.try_acquire().map_err(|_| Unavailable::Busy)?;
        let answer = self.join(digest, token);
        match timeout(self.shared.limits.deadline, answer).await {
            Ok(answer) => answer.unwrap_or(Err(Unavailable::Stopped)),
            Err(_) => Err(self.shared.note(Unavailable::Deadline)),
        }
    }

    /// How many share a question that has not begun.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.shared.pending().values().map(|pending| pending.waiting.len()).sum()
    }

    #[cfg(test)]
    pub(crate) fn places_left(&self) -> usize {
        self.shared.places.available_permits()
    }

    fn join(&self, digest: TokenDigest, token: &str) -> oneshot::Receiver<QuestionResult> {
        let (sender, receiver) = oneshot::channel();
        let mut pending = self.shared.pending();
        if let Some(pending) = pending.get_mut(&digest) {
            pending.waiting.push(sender);
            return receiver;
        }
        let token = Arc::new(SecretString::from(token));
        pending.insert(digest, Pending { token, waiting: vec![sender] });
        drop(pending);
        let shared = Arc::clone(&self.shared);
        self.runtime.spawn(async move { shared.answer_all(digest).await });
        receiver
    }
}

impl Shared {
    /// Asks about a token for as long as somebody wants to know.
    async fn answer_all(&self, digest: TokenDigest) {
        loop {
            let turn = self.turns.acquire().await;
            // From here on nobody joins this question.
            let Some((token, waiting)) = self.begin(&digest) else { return };
            let answer = self.question(digest, &token).await;
            drop(turn);
            for waiting in waiting {
                // Some have given up.
                drop(waiting.send(answer.clone()));
            }
        }
    }

    /// The token, and who waits for the question that begins now. Where nobody does, there is no entry any more.
    fn begin(&self, digest: &TokenDigest) -> Option<(Arc<SecretString>, Vec<oneshot::Sender<QuestionResult>>)> {
        let mut pending = self.pending();
        let entry = pending.get_mut(digest)?;
        entry.waiting.retain(|waiting| !waiting.is_closed());
        if entry.waiting.is_empty() {
            pending.remove(digest);
            return None;
        }
        Some((Arc::clone(&entry.token), std::mem::take(&mut entry.waiting)))
    }

    async fn question(&self, digest: TokenDigest, token: &SecretString) -> QuestionResult {
        // Both before it is sent: an event that is learnt meanwhile may be one that the answer does not know.
        let (as_of, asked_at) = (self.invalidations.as_of(), self.time.elapsed());
        let answer = timeout(self.limits.deadline, self.client.introspect(token.expose_secret())).await;
        let session = answer.unwrap_or(Err(Unavailable::Deadline)).map_err(|reason| self.note(reason))?;
        let vouched = session.map(|session| Vouched { session: Arc::new(session), as_of, asked_at });
        match (&self.cache, &vouched) {
            (Some(cache), Some(vouched)) => cache.keep(digest, vouched),
            (Some(cache), None) => cache.forget(&digest),
            (None, _) => {}
        }
        Ok(vouched)
    }

    /// Logs why nobody can tell, now and then.
    fn note(&self, reason: Unavailable) -> Unavailable {
        let now = u64::try_from(self.time.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let last = self.logged_at.load(Ordering::Relaxed);
        let interval = LOG_INTERVAL.as_millis() as u64;
        let due = last == 0 || now.saturating_sub(last) >= interval;
        if due && self.logged_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::warn!(reason = %reason, "the session server cannot be asked about tokens: nobody is let in");
        }
        reason
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<TokenDigest, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
