//! The guard: who calls, and may they?

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use thunderhead_domain::session::TokenDigest;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::cache::{AnswerCache, Vouched};
use crate::client::ServerClient;
use crate::credential::{self, RequestHead, SessionCookieRule};
use crate::error::GuardError;
use crate::feed::FeedReader;
use crate::invalidation::FeedInvalidations;
use crate::questions::{QuestionLimits, Questions};
use crate::requirement::SessionRequirement;
use crate::session::LiveSession;
use crate::time::Time;
use crate::token;
use crate::watch::{SessionWatch, Watching};

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// The server is asked about each request, by a question that begins after the request arrived. Requests with one token
    /// that wait together share it. What was ended anywhere before a request is refused by it.
    Exact,
    /// An answer is kept for so long from its question on, and thrown away as soon as the server's feed tells of something
    /// that concerns it: in practice within a tenth of a second, and never later than this. Where the feed cannot be read,
    /// all answers are thrown away.
    ///
    /// Choose less than the server's `policy.idle`: while an answer is kept, the server does not hear that the session is in
    /// use.
    Within(Duration),
}

/// Tells who calls, by asking the session server. Cloning it is cheap: all clones are one guard.
#[derive(Clone)]
pub struct SessionGuard {
    shared: Arc<Shared>,
}

struct Shared {
    watching: Watching,
    cookie: Option<SessionCookieRule>,
    feed: FeedTask,
}

/// Follows the feed once somebody wants it, until the guard is gone.
struct FeedTask {
    client: Arc<ServerClient>,
    runtime: Handle,
    deadline: Duration,
    task: OnceLock<AbortHandle>,
}

/// What comes of the first look at a request.
pub(crate) enum FirstLook<'a> {
    Known(Result<Arc<LiveSession>, GuardError>),
    /// The server must be asked about this.
    Unknown(TokenDigest, &'a str),
}

/// What a guard is made of.
pub(crate) struct GuardParts {
    pub(crate) client: ServerClient,
    pub(crate) staleness: Staleness,
    pub(crate) limits: QuestionLimits,
    /// How many answers are kept at most.
    pub(crate) entries: usize,
    pub(crate) cookie: Option<SessionCookieRule>,
    pub(crate) time: Arc<dyn Time>,
    pub(crate) runtime: Handle,
}

/// How often the server is asked about a session that is watched, where nothing else says how long an answer is good.
const WATCH_INTERVAL: Duration = Duration::from_secs(10);
/// The longest that the server is told to wait for an event, in seconds: it takes no more than twice that.
const LONGEST_WAIT: u64 = 30;

impl SessionGuard {
    pub(crate) fn new(parts: GuardParts) -> Self {
        let GuardParts { client, staleness, limits, entries, cookie, time, runtime } = parts;
        let (client, invalidations) = (Arc::new(client), Arc::new(FeedInvalidations::new()));
        let (cache, interval) = match staleness {
            Staleness::Exact => (None, WATCH_INTERVAL),
            Staleness::Within(longest) => {
                let cache = AnswerCache::new(entries, longest, Arc::clone(&invalidations), Arc::clone(&time));
                (Some(cache), longest)
            }
        };
        let keeps = cache.is_some();
        let shared = (Arc::clone(&invalidations), Arc::clone(&time));
        let questions = Questions::new(Arc::clone(&client), limits, cache, shared, runtime.clone());
        let feed = FeedTask { client, runtime, deadline: limits.deadline, task: OnceLock::new() };
        let watching = Watching::new(questions, invalidations, time, interval);
        let guard = Self { shared: Arc::new(Shared { watching, cookie, feed }) };
        if keeps {
            guard.follow_feed();
        }
        guard
    }

    /// Whether a token leads to a live session that is all that is asked for. For frameworks that this crate has nothing
    /// for: they read the token from the request, and answer an error by its status and headers.
    ///
    /// # Errors
    /// [`GuardError`]: 401, 403 or 503. It takes no longer than the deadline.
    pub async fn check(&self, token: &str, requirement: &SessionRequirement) -> Result<Arc<LiveSession>, GuardError> {
        match self.look(token, requirement) {
            FirstLook::Known(known) => known,
            FirstLook::Unknown(digest, token) => self.ask(digest, token, requirement).await,
        }
    }

    /// The same, and watches the session from then on. The server is asked however a guard does so else.
    ///
    /// # Errors
    /// [`GuardError`]
    pub async fn watch(&self, token: &str, requirement: SessionRequirement) -> Result<SessionWatch, GuardError> {
        let digest = token::digest(token).ok_or(GuardError::Malformed)?;
        self.follow_feed();
        let vouched = self.question(digest, token, &requirement).await?;
        Ok(SessionWatch::new(self.shared.watching.clone(), requirement, (digest, token), vouched))
    }

    /// The token of a request: that of `Authorization: Bearer`, or of the cookie where one is taken.
    ///
    /// # Errors
    /// [`GuardError::NoCredential`], [`GuardError::Malformed`], and for cookies [`GuardError::CrossSite`].
    pub fn token_of<'a>(&self, head: &'a impl RequestHead) -> Result<&'a str, GuardError> {
        credential::token(head, self.shared.cookie.as_ref())
    }

    /// What is known without asking.
    pub(crate) fn look<'a>(&self, token: &'a str, requirement: &SessionRequirement) -> FirstLook<'a> {
        let Some(digest) = token::digest(token) else { return FirstLook::Known(Err(GuardError::Malformed)) };
        let Watching { questions, time, .. } = &self.shared.watching;
        match questions.cache().and_then(|cache| cache.get(&digest)) {
            Some(session) => FirstLook::Known(requirement.check(&session, time.now()).map(|()| session)),
            None => FirstLook::Unknown(digest, token),
        }
    }

    pub(crate) async fn ask(
        &self,
        digest: TokenDigest,
        token: &str,
        requirement: &SessionRequirement,
    ) -> Result<Arc<LiveSession>, GuardError> {
        self.question(digest, token, requirement).await.map(|vouched| vouched.session)
    }

    async fn question(
        &self,
        digest: TokenDigest,
        token: &str,
        requirement: &SessionRequirement,
    ) -> Result<Vouched, GuardError> {
        let Watching { questions, time, .. } = &self.shared.watching;
        let vouched = questions.ask(digest, token).await?.ok_or(GuardError::Inactive)?;
        requirement.check(&vouched.session, time.now())?;
        Ok(vouched)
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.shared.watching.questions.waiting()
    }

    #[cfg(test)]
    pub(crate) fn places_left(&self) -> usize {
        self.shared.watching.questions.places_left()
    }

    fn follow_feed(&self) {
        let Shared { watching, feed, .. } = &*self.shared;
        feed.task.get_or_init(|| {
            let wait = (watching.interval.as_secs() / 2).clamp(1, LONGEST_WAIT);
            let (client, invalidations) = (Arc::clone(&feed.client), Arc::clone(&watching.invalidations));
            let reader = FeedReader::new(client, invalidations, wait, feed.deadline);
            feed.runtime.spawn(reader.follow()).abort_handle()
        });
    }
}

impl Drop for FeedTask {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl fmt::Debug for SessionGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionGuard").finish_non_exhaustive()
    }
}
