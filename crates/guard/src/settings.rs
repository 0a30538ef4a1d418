//! How a guard is set up.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::runtime::Handle;

use crate::client::ServerClient;
use crate::credential::SessionCookieRule;
use crate::error::SetupError;
use crate::guard::{GuardParts, SessionGuard, Staleness};
use crate::questions::QuestionLimits;
use crate::time::RealTime;

/// Sets up a guard.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # let _inside = runtime.enter();
/// use std::time::Duration;
/// use thunderhead_guard::guard::Staleness;
/// use thunderhead_guard::settings::SessionGuardBuilder;
///
/// // `thunderhead service create uploads --events` prints the secret.
/// let secret = "thk_…".to_owned();
/// let guard = SessionGuardBuilder::new("http://127.0.0.1:8000", "uploads", secret)
///     .staleness(Staleness::Within(Duration::from_secs(30)))
///     .build()?;
/// # drop(guard);
/// # Ok(())
/// # }
/// ```
pub struct SessionGuardBuilder {
    url: String,
    client_id: String,
    secret: SecretString,
    staleness: Staleness,
    limits: QuestionLimits,
    entries: usize,
    cookie: Option<SessionCookieRule>,
}

impl SessionGuardBuilder {
    /// For a server at this URL (`https` with the feature `tls`), asked as a service of this name with this secret.
    pub fn new(url: impl Into<String>, client_id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            client_id: client_id.into(),
            secret: secret.into(),
            staleness: Staleness::Exact,
            limits: QuestionLimits { deadline: Duration::from_secs(2), at_once: 32, waiting: 4_096 },
            entries: 100_000,
            cookie: None,
        }
    }

    /// How old an answer may be; [`Staleness::Exact`] by default.
    #[must_use]
    pub const fn staleness(mut self, staleness: Staleness) -> Self {
        self.staleness = staleness;
        self
    }

    /// How long a request waits for the server before it is a 503; 2 s by default. The server gives up on its database
    /// after 1.5 s.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.limits.deadline = deadline;
        self
    }

    /// How many questions are asked at once, and so how many connections there are to the server; 32 by default.
    #[must_use]
    pub const fn questions_at_once(mut self, count: usize) -> Self {
        self.limits.at_once = count;
        self
    }

    /// How many requests may wait for an answer; 4096 by default. Further ones are a 503 at once.
    #[must_use]
    pub const fn waiting_requests(mut self, count: usize) -> Self {
        self.limits.waiting = count;
        self
    }

    /// How many answers are kept at most, of some 400 bytes each; 100,000 by default.
    #[must_use]
    pub const fn kept_answers(mut self, count: usize) -> Self {
        self.entries = count;
        self
    }

    /// Takes the token from a cookie, too, where there is no `Authorization`. A change by a cookie, and a websocket's
    /// handshake, must come from this service's own origin or from one of these (`https://app.example.org`), as browsers say
    /// in `Sec-Fetch-Site` and `Origin`; what comes from elsewhere is a 403.
    #[must_use]
    pub fn cookie(mut self, name: impl Into<String>, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let origins = origins.into_iter().map(Into::into).collect();
        self.cookie = Some(SessionCookieRule { name: name.into(), origins });
        self
    }

    /// Makes the guard. Nothing is asked yet, but that [`Staleness::Within`] begins to follow the server's feed. The Tokio
    /// runtime in which this is called is the one that asks the server: let it live as long as the service.
    ///
    /// # Errors
    /// [`SetupError`]
    pub fn build(self) -> Result<SessionGuard, SetupError> {
        let Self { url, client_id, secret, staleness, limits, entries, cookie } = self;
        let longest = match staleness {
            Staleness::Exact => Duration::MAX,
            Staleness::Within(longest) => longest,
        };
        for (is_zero, what) in [
            (longest.is_zero(), "the time that answers are kept"),
            (limits.deadline.is_zero(), "the deadline"),
            (limits.at_once == 0, "the number of questions at once"),
            (limits.waiting == 0, "the number of waiting requests"),
            (entries == 0, "the number of kept answers"),
        ] {
            if is_zero {
                return Err(SetupError::Zero(what));
            }
        }
        let runtime = Handle::try_current().map_err(|_| SetupError::NoRuntime)?;
        let client = ServerClient::new(&url, &client_id, &secret, limits.at_once, limits.deadline)?;
        let time = Arc::new(RealTime::begin());
        Ok(SessionGuard::new(GuardParts { client, staleness, limits, entries, cookie, time, runtime }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(builder: SessionGuardBuilder) -> Option<SetupError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        builder.build().err()
    }

    fn at(url: &str) -> SessionGuardBuilder {
        SessionGuardBuilder::new(url, "uploads", "secret".to_owned())
    }

    #[test]
    fn a_guard_that_cannot_work_is_not_made() {
        for url in ["", "localhost", "127.0.0.1:8000", "ftp://a", "http://", "http://a/?b", "http://a/#b", "http://a b"]
        {
            assert_eq!(built(at(url)), Some(SetupError::Url), "{url}");
        }
        if !cfg!(feature = "tls") {
            assert_eq!(built(at("https://auth.example")), Some(SetupError::Tls));
        }
        for url in ["http://127.0.0.1:8000", "http://auth.example/one/"] {
            assert_eq!(built(at(url)), None, "{url}");
        }
        let zero = Duration::ZERO;
        for builder in [
            at("http://a").staleness(Staleness::Within(zero)),
            at("http://a").deadline(zero),
            at("http://a").questions_at_once(0),
            at("http://a").waiting_requests(0),
            at("http://a").kept_answers(0),
        ] {
            assert!(matches!(built(builder), Some(SetupError::Zero(_))));
        }
        assert_eq!(at("http://a").build().err(), Some(SetupError::NoRuntime));
    }
}
