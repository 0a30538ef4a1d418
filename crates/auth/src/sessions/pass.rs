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

#[cfg(test)]
mod tests {
    use thunderhead_testkit::{TestDatabase, block_on};

    use super::*;
    use crate::testing::{NOW, Replica};

    #[test]
    fn a_live_session_is_found_by_its_latest_pass_and_one_that_is_over_gets_none() {
        block_on(async {
            let database = TestDatabase::sqlite();
            let replica = Replica::of(&database, 1);
            let storage = &replica.environment.storage;
            let passes = Passes::new(replica.environment.clone());
            let session = replica.register("ada", None).await.session;
            let found = async |pass: &Pass| {
                let authority = storage.session_authority(session_key(pass.expose())).await.unwrap();
                authority.authenticated.map(|found| found.session.uuid)
            };
            let first = passes.give(&session).await.unwrap().unwrap();
            assert_eq!(found(&first).await, Some(session.uuid));
            let second = passes.give(&session).await.unwrap().unwrap();
            assert_eq!((found(&first).await, found(&second).await), (None, Some(session.uuid)));
            assert_eq!(session.expires_at, NOW.plus_seconds(86_400));
            replica.clock.turn_to(86_400_000);
            assert!(passes.give(&session).await.unwrap().is_none());
        });
    }

    #[test]
    fn what_has_not_the_form_of_a_pass_leads_nowhere() {
        for text in ["", "thk_", &"x7".repeat(16)] {
            assert_eq!(session_key(text), None, "{text}");
        }
    }
}
