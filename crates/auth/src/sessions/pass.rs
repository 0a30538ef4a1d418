//! Passes: a browser that has a session shows its pass to the applications of a domain, whose proxies are told of the
//! session by it. For anything else it is good for nothing (`docs/SECURITY.md`).

use secrecy::{ExposeSecret as _, SecretString};
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::session::{Session, SessionKey};
use tracing::instrument;

use crate::environment::Environment;
use crate::tokens::secret;
use crate::tokens::token::digest;

/// A pass in clear, for the browser alone.
#[derive(Debug)]
pub struct Pass(SecretString);

impl Pass {
    /// The pass.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Gives sessions passes.
pub struct Passes {
    environment: Environment,
}

impl Passes {
    pub(crate) const fn new(environment: Environment) -> Self {
        Self { environment }
    }

    /// Gives a full session a pass, in place of the one that it may have; `None` where it is not live any more.
    ///
    /// # Errors
    /// Where the database is away.
    #[instrument(level = "debug", skip_all)]
    pub async fn give(&self, session: &Session) -> Result<Option<Pass>, StorageError> {
        let pass = Pass(secret::generate(&*self.environment.random));
        let digest = digest(pass.expose());
        let now = self.environment.now();
        let given = self.environment.storage.session_set_pass(session.uuid, session.user, digest, now).await?;
        Ok(given.then_some(pass))
    }
}

/// The session that a text leads to, if it has the form of a pass.
pub(crate) fn session_key(text: &str) -> Option<SessionKey> {
    secret::has_form(text).then(|| SessionKey::Pass(digest(text)))
}
