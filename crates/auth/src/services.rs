//! Other services that ask whose token something is (`docs/API.md`; RFC 7662).

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use thunderhead_domain::authorization::{AuthenticatedSession, Caller, StaffPrincipal};
use thunderhead_domain::ports::{Random, StorageError};
use thunderhead_domain::service::{EventAccess, Service, ServiceName};
use thunderhead_domain::session::TokenDigest;
use tracing::instrument;

use crate::cache::lookup::SessionLookup;
use crate::cache::usage::UsageRecorder;
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
pub struct ServicePrincipal {
    events: EventAccess,
}

impl ServicePrincipal {
    /// Evidence that the service may read the feed, if it may.
    pub const fn event_reader(&self) -> Option<EventReader> {
        match self.events {
            EventAccess::Denied => None,
            EventAccess::Plain => Some(EventReader { personal: false }),
            EventAccess::Personal => Some(EventReader { personal: true }),
        }
    }
}

/// Evidence that somebody may read the feed of events.
#[derive(Clone, Copy, Debug)]
pub struct EventReader {
    personal: bool,
}

impl EventReader {
    /// Whether personal data are told.
    pub const fn is_told_personal_data(self) -> bool {
        self.personal
    }
}

/// What services may ask.
pub struct ServiceAccess {
    environment: Environment,
    lookup: Arc<SessionLookup>,
    usage: UsageRecorder<ServiceName>,
}

impl ServiceAccess {
    pub(crate) fn new(environment: Environment, lookup: Arc<SessionLookup>) -> Self {
        Self { environment, lookup, usage: UsageRecorder::default() }
    }

    /// Checks a service's id and secret. Digests are compared: how long that takes tells nothing of the secret. Notes that
    /// the service asks.
    ///
    /// # Errors
    /// Where the database is away.
    #[instrument(level = "debug", skip_all)]
    pub async fn authenticate(&self, id: &str, secret: &str) -> Result<Option<ServicePrincipal>, StorageError> {
        let Ok(name) = ServiceName::existing(id.to_owned()) else { return Ok(None) };
        let found = self.environment.storage.service_find(&name).await?;
        let known = found.filter(|service| service.revoked_at.is_none() && service.secret == digest(secret));
        Ok(known.map(|service| {
            self.usage.note(&service.name, service.asked_at, self.environment.now());
            ServicePrincipal { events: service.events }
        }))
    }

    /// Writes when services asked since the last call. The composition root calls this every second or so, and once more
    /// at shutdown.
    ///
    /// # Errors
    /// Where the database is away; the next call writes them then.
    pub async fn flush_uses(&self) -> Result<(), StorageError> {
        self.usage.flush(&*self.environment.storage).await
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
