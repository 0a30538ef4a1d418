//! Other services that ask whose token something is (`docs/API.md`; RFC 7662).

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use thunderhead_domain::authorization::{AuthenticatedSession, Caller, StaffPrincipal};
use thunderhead_domain::ports::{Random, StorageError};
use thunderhead_domain::service::{Service, ServiceName};
use thunderhead_domain::session::TokenDigest;
use tracing::instrument;

use crate::cache::lookup::SessionLookup;
use crate::environment::Environment;
use crate::tokens::secret;
use crate::tokens::token::digest;

/// A service's secret in clear: what the operator is shown once. Older ones have another form, and are as good.
#[derive(Debug)]
pub struct ServiceSecret(SecretString);

impl ServiceSecret {
    pub(crate) fn generate(random: &dyn Random) -> Self {
        Self(secret::generate(random))
    }

    pub(crate) fn digest(&self) -> TokenDigest {
        digest(self.expose())
    }

    /// The text, for the operator alone.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Evidence that a service has shown its secret.
#[derive(Debug)]
pub struct ServicePrincipal(());

/// What services may ask.
pub struct ServiceAccess {
    environment: Environment,
    lookup: Arc<SessionLookup>,
}

impl ServiceAccess {
    pub(crate) const fn new(environment: Environment, lookup: Arc<SessionLookup>) -> Self {
        Self { environment, lookup }
    }

    /// Checks a service's id and secret. Digests are compared: how long that takes tells nothing of the secret.
    ///
    /// # Errors
    /// Where the database is away.
    #[instrument(level = "debug", skip_all)]
    pub async fn authenticate(&self, id: &str, secret: &str) -> Result<Option<ServicePrincipal>, StorageError> {
        let Ok(name) = ServiceName::existing(id.to_owned()) else { return Ok(None) };
        let found = self.environment.storage.service_find(&name).await?;
        let known = found.is_some_and(|service| service.revoked_at.is_none() && service.secret == digest(secret));
        Ok(known.then_some(ServicePrincipal(())))
    }

    /// All services, by name.
    ///
    /// # Errors
    /// Where the database is away.
    pub async fn list(&self, _staff: &StaffPrincipal) -> Result<Vec<Service>, StorageError> {
        self.environment.storage.service_list().await
    }

    /// Whose token something is: `None` for everything that is not the token of a live session.
    ///
    /// # Errors
    /// Where the database is away.
    pub async fn introspect(
        &self,
        _service: &ServicePrincipal,
        token: &str,
    ) -> Result<Option<Arc<AuthenticatedSession>>, StorageError> {
        match self.lookup.look_up(Some(token)).await?.caller {
            Caller::Live(authenticated) => Ok(Some(authenticated)),
            Caller::Nobody | Caller::Ambiguous | Caller::Rejected | Caller::SecondFactorPending(_) | Caller::Banned => {
                Ok(None)
            }
        }
    }
}
