//! Watching a session for as long as something depends on it: a websocket, a stream, a long download.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use thunderhead_domain::session::TokenDigest;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::cache::Vouched;
use crate::error::GuardError;
use crate::invalidation::FeedInvalidations;
use crate::questions::Questions;
use crate::requirement::SessionRequirement;
use crate::session::LiveSession;
use crate::time::Time;

/// How many watched sessions are asked about at once, when something concerns all of them.
const TURNS: usize = 16;

/// What all that are watched share.
#[derive(Clone)]
pub(crate) struct Watching {
    pub(crate) questions: Questions,
    pub(crate) invalidations: Arc<FeedInvalidations>,
    pub(crate) time: Arc<dyn Time>,
    /// How long nothing is asked where nothing is heard.
    pub(crate) interval: Duration,
    turns: Arc<Semaphore>,
}

impl Watching {
    pub(crate) fn new(
        questions: Questions,
        invalidations: Arc<FeedInvalidations>,
        time: Arc<dyn Time>,
        interval: Duration,
    ) -> Self {
        Self { questions, invalidations, time, interval, turns: Arc::new(Semaphore::new(TURNS)) }
    }
}

/// A live session that is watched. [`SessionWatch::refused`] tells when it is none any more.
pub struct SessionWatch {
    watching: Watching,
    requirement: SessionRequirement,
    digest: TokenDigest,
    token: SecretString,
    vouched: Vouched,
}

impl SessionWatch {
    /// Of a session that the server was just asked about.
    pub(crate) fn new(
        watching: Watching,
        requirement: SessionRequirement,
        (digest, token): (TokenDigest, &str),
        vouched: Vouched,
    ) -> Self {
        Self { watching, requirement, digest, token: SecretString::from(token), vouched }
    }

    /// The session, as it was when the server was last asked.
    pub fn session(&self) -> &LiveSession {
        &self.vouched.session
    }

    /// Waits until the session has ended or expired, is not any more what the route asks for, or nobody can tell
    /// ([`GuardError::Unavailable`]): then close what depends on it. A session that ends anywhere is known here as soon as
    /// the server's feed tells, within a tenth of a second as a rule; where the feed is silent, the server is asked each time
    /// that an answer would be kept no longer (`Within`), or every ten seconds (`Exact`).
    ///
    /// It may be dropped and called again: nothing is missed.
    pub async fn refused(&mut self) -> GuardError {
        loop {
            self.wait().await;
            if let Err(error) = self.ask_anew().await {
                return error;
            }
        }
    }

    /// Waits until the last answer is not enough any more.
    async fn wait(&self) {
        let Watching { invalidations, time, interval, .. } = &self.watching;
        let Vouched { session, as_of, asked_at } = &self.vouched;
        let age = time.elapsed().saturating_sub(*asked_at);
        let left = u64::try_from(session.expires_at().millis_since(time.now())).unwrap_or(0);
        let longest = interval.saturating_sub(age).min(Duration::from_millis(left));
        // Whichever it is.
        drop(timeout(longest, invalidations.changed(session, *as_of)).await);
    }

    async fn ask_anew(&mut self) -> Result<(), GuardError> {
        // Never closed; were it, nobody would be in the way.
        let _turn = self.watching.turns.acquire().await;
        let answer = self.watching.questions.ask(self.digest, self.token.expose_secret()).await?;
        self.vouched = answer.ok_or(GuardError::Inactive)?;
        self.requirement.check(&self.vouched.session, self.watching.time.now())
    }
}

impl std::fmt::Debug for SessionWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionWatch").field("session", &self.vouched.session).finish_non_exhaustive()
    }
}
