//! The composition root: the settings and three adapters become the use cases, the HTTP server over them, and the tasks
//! beside it. Tests build the same with adapters of their own.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use actix_web::dev::Server;
use anyhow::Context;
use thunderhead_auth::credentials::password::PasswordHasher;
use thunderhead_auth::credentials::webauthn::SecurityKeys;
use thunderhead_auth::tokens::token::TokenSigner;
use thunderhead_auth::work::WorkPool;
use thunderhead_auth::{Auth, Parts};
use thunderhead_domain::event::EventData;
use thunderhead_domain::ports::{Clock, Random, Storage, WebhookSender};
use thunderhead_http::events::EventDataJson;
use thunderhead_http::middleware::shield::Shield;
use thunderhead_http::server::listen::Listeners;
use thunderhead_http::server::shutdown::Draining;
use thunderhead_http::site::Logo;

use crate::config::Config;
use crate::error::CommandError;
use crate::key_file::{self, LoadedKeys};
use crate::system::lower_priority;
use crate::tasks::Tasks;

/// How many new passwords wait to be estimated at most: the work of a fifth of a second.
const MOST_ESTIMATES: usize = 64;

/// What the application is given from outside.
pub struct Adapters {
    /// The database, with its schema up to date.
    pub storage: Arc<dyn Storage>,
    /// What says how late it is.
    pub clock: Arc<dyn Clock>,
    /// Where keys, tokens and salts come from.
    pub random: Arc<dyn Random>,
    /// What posts webhooks.
    pub webhook_sender: Arc<dyn WebhookSender>,
}

/// A server that is ready to serve.
pub struct Application {
    config: Config,
    adapters: Adapters,
    keys: LoadedKeys,
    auth: Arc<Auth>,
}

impl Application {
    /// Puts everything together.
    ///
    /// # Errors
    /// Where the settings ask for what the system does not have, the encryption key is missing, or it is another one
    /// than the database was used with.
    pub async fn build(config: Config, adapters: Adapters) -> Result<Self, CommandError> {
        let Adapters { storage, clock, random, webhook_sender } = &adapters;
        let keys = key_file::load(&config, &**random)?;
        let config = with_theme(config)?;
        let pool = WorkPool::start_with(config.hashing.threads.get(), config.hashing.queue.get(), lower_priority);
        let pool = pool.context("the threads for hashing cannot be started")?;
        let costly = WorkPool::start_with(
            (config.hashing.threads.get() / 2).max(1),
            config.hashing.queue.get().div_ceil(4),
            lower_priority,
        );
        let costly = costly.context("the threads for hashing cannot be started")?;
        let estimating =
            WorkPool::start_with(1, MOST_ESTIMATES, lower_priority).context("no thread can be started")?.unmeasured();
        let hasher = PasswordHasher::new(config.hashing.cost, pool, Arc::clone(random)).context("`hashing`")?;
        let hasher = hasher.with_costly_hashes_on(costly);
        let tokens = TokenSigner::load(config.issuer.clone(), &**storage, &keys.keys, &**clock, &**random).await;
        let tokens = tokens.map_err(|error| CommandError::keys(error, || keys.misfit(&config.database.url)))?;
        let tokens = tokens.for_audience(config.audience.clone());
        let security_keys = SecurityKeys::new(config.relying_party.clone()).context("`relying_party`")?;
        let auth = Auth::new(Parts {
            storage: Arc::clone(storage),
            clock: Arc::clone(clock),
            random: Arc::clone(random),
            hasher,
            estimating,
            tokens,
            encryption_keys: keys.keys.clone(),
            security_keys,
            webhook_sender: Arc::clone(webhook_sender),
            render_event,
            cache_settings: config.cache_settings,
            policy: config.policy,
        });
        Ok(Self { config, adapters, keys, auth: Arc::new(auth) })
    }

    /// The settings that it was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The use cases.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Begins to serve. The server ends when it is told to.
    ///
    /// # Errors
    /// Where the sockets cannot be listened on.
    pub fn serve(&self, listeners: impl Into<Listeners>, draining: &Draining) -> io::Result<Server> {
        let Adapters { storage, random, .. } = &self.adapters;
        let (auth, storage, random) = (Arc::clone(&self.auth), Arc::clone(storage), Arc::clone(random));
        let shield = shield(&self.config)?;
        thunderhead_http::serve(listeners, self.config.http.clone(), auth, storage, random, shield, draining)
    }

    /// Begins what is done regularly beside the requests.
    pub(crate) fn start_tasks(&self) -> Tasks {
        let Adapters { storage, clock, .. } = &self.adapters;
        Tasks::start(&self.config, Arc::clone(&self.auth), Arc::clone(storage), Arc::clone(clock))
    }

    pub(crate) fn adapters(&self) -> &Adapters {
        &self.adapters
    }

    /// The file with the encryption key, if it is in one.
    pub(crate) fn key_file(&self) -> Option<&Path> {
        self.keys.file.as_deref()
    }

    /// Whether others than the file's owner may read it.
    pub(crate) fn key_file_is_exposed(&self) -> bool {
        self.keys.exposed
    }
}

/// `data` of an event, as the feed and webhooks have it.
fn render_event(data: &EventData) -> Result<String, serde_json::Error> {
    serde_json::to_string(&EventDataJson::from(data))
}

/// The settings with the files that change how the pages look.
fn with_theme(mut config: Config) -> Result<Config, CommandError> {
    let Some(site) = &mut config.http.pages else { return Ok(config) };
    let read = |key: &str, path: &Path| fs::read(path).with_context(|| format!("`{key}`: {}", path.display()));
    if let Some(path) = &config.theme.logo {
        let logo = Logo::new(read("pages.logo", path)?).with_context(|| format!("`pages.logo`: {}", path.display()))?;
        site.logo = Some(logo);
    }
    if let Some(path) = &config.theme.css {
        site.css = Some(read("pages.css", path)?.into());
    }
    Ok(config)
}

#[cfg(feature = "flood")]
fn shield(config: &Config) -> io::Result<impl Shield> {
    let shield = thunderhead_flood::FloodShield::new(config.flood_limit, config.http.trusted_proxies.clone());
    shield.ok_or_else(|| io::Error::other("the flood limit is out of range"))
}

#[cfg(not(feature = "flood"))]
fn shield(_: &Config) -> io::Result<impl Shield> {
    Ok(thunderhead_http::middleware::shield::NoShield)
}
