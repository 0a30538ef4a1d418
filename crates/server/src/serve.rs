//! `thunderhead serve`: puts the adapters together, says where everything is, and serves until a signal.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::rt;
use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use thunderhead_auth::credentials::password::PasswordHasher;
use thunderhead_auth::credentials::webauthn::SecurityKeys;
use thunderhead_auth::tokens::token::TokenSigner;
use thunderhead_auth::work::WorkPool;
use thunderhead_auth::{Auth, Parts};
use thunderhead_domain::ports::{Clock, PageRequest, Random, Storage};
use thunderhead_http::request::cookie::SessionCookie;
use thunderhead_http::server::connections::Connections;
use thunderhead_http::server::listen::{Listeners, Place};
use thunderhead_http::server::shutdown::{Draining, Exit};
use tokio::time::timeout;

use crate::config::Config;
use crate::database;
use crate::error::CommandError;
use crate::finish::finish_regularly;
use crate::key_file::{self, LoadedKeys};
use crate::log::{self, Start};
use crate::metrics;
use crate::retention::{prune_regularly, record_failed_logins};
use crate::signals::Signals;
use crate::system::{SystemClock, SystemRandom, allow_files, lower_priority};

/// How often the times of last use, and failed logins, are written.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// How long the last of them may take, before the process ends.
const LAST_FLUSH: Duration = Duration::from_millis(1_500);
/// Files that are open besides the connections of clients: databases, logs, listeners.
const OTHER_FILES: u64 = 512;
/// How many new passwords wait to be estimated at most: the work of a fifth of a second.
const MOST_ESTIMATES: usize = 64;

/// How often there is a look for new signing keys.
const KEY_INTERVAL: Duration = Duration::from_secs(10);

/// How often it is checked whether the database takes changes, where that is measured.
const WRITE_CHECK_INTERVAL: Duration = Duration::from_secs(15);

/// What everything else is built on.
struct Adapters {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    keys: LoadedKeys,
}

/// Where the process listens.
struct Addresses {
    /// None of a Unix socket.
    server: Vec<SocketAddr>,
    metrics: Option<SocketAddr>,
}

/// Serves until the process is told to stop. Where there are no users yet, the command that makes the first one is
/// shown.
///
/// # Errors
/// Where something that serving needs is not there.
pub(crate) fn serve(config: &Config, first_user_command: &str) -> Result<(), CommandError> {
    log::start(config)?;
    if !config.passed_over.is_empty() {
        let variables = config.passed_over.join(", ");
        tracing::info!(variables, "variables that Kubernetes sets for a Service were passed over");
    }
    // Before anything that is measured.
    let measurements = config.metrics_listen.map(|address| Ok((address, metrics::install()?)));
    let measurements = measurements.transpose().map_err(CommandError::Refused)?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let mut database = database::open_or_make(config)?;
    database.lock.sign("the server").context("the lock of the database")?;
    let keys = key_file::load(config, &*random)?;
    let storage = Arc::clone(&database.storage);
    let adapters = Adapters { storage, clock: Arc::new(SystemClock), random, keys };
    rt::System::new().block_on(run(config, adapters, measurements, first_user_command))
}

async fn run(
    config: &Config,
    adapters: Adapters,
    measurements: Option<(SocketAddr, PrometheusHandle)>,
    first_user_command: &str,
) -> Result<(), CommandError> {
    let auth = Arc::new(compose(config, &adapters).await?);
    let connections = config.http.connections;
    let cannot_listen = || format!("cannot listen on {}", config.listen);
    let mut listeners = Listeners::at(&config.listen, connections.backlog).with_context(cannot_listen)?;
    let server_addresses = listeners.addresses().with_context(cannot_listen)?;
    let draining = Draining::default();
    let exit = Exit::of(&mut listeners, draining.clone()).with_context(cannot_listen)?;
    let (storage, random) = (Arc::clone(&adapters.storage), Arc::clone(&adapters.random));
    let server = thunderhead_http::serve(listeners, config.http.clone(), Arc::clone(&auth), storage, random, &draining)
        .with_context(cannot_listen)?;
    let signals = Signals::listen().context("cannot listen for signals")?;
    let metrics_address = measurements.map(serve_metrics).transpose()?;
    announce(config, &adapters, Addresses { server: server_addresses, metrics: metrics_address }, first_user_command)
        .await;
    warn_of_few_files(connections);
    let flusher = rt::spawn(flush_regularly(Arc::clone(&auth)));
    let write_checker = config.metrics_listen.map(|_| rt::spawn(check_writes_regularly(Arc::clone(&auth))));
    let key_keeper = rt::spawn(refresh_keys_regularly(Arc::clone(&auth)));
    let (storage, clock) = (&adapters.storage, &adapters.clock);
    let recorder = rt::spawn(record_failed_logins(Arc::clone(storage), Arc::clone(clock)));
    let pruner = rt::spawn(prune_regularly(Arc::clone(storage), Arc::clone(clock), config.retention));
    let finisher = rt::spawn(finish_regularly(adapters.storage, adapters.clock, config.policy.caps.sessions));
    until_stopped(server, exit, config.http.drain, signals).await?;
    pruner.abort();
    recorder.abort();
    if let Some(checker) = write_checker {
        checker.abort();
    }
    finisher.abort();
    key_keeper.abort();
    flusher.abort();
    if timeout(LAST_FLUSH, flush(&auth)).await.is_err() {
        tracing::warn!("times of last use or failed logins were not written in time");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Serves until a signal, and then to the end of what has begun. A second signal ends that.
async fn until_stopped(server: Server, exit: Exit, drain: Duration, mut signals: Signals) -> Result<(), CommandError> {
    let handle = server.handle();
    let mut server = pin!(server);
    tokio::select! {
        ended = &mut server => return Ok(ended.context("the server broke off")?),
        signal = signals.next() => tracing::info!(signal, "stopping"),
    }
    let leaving = rt::spawn(exit.leave(handle, drain));
    tokio::select! {
        ended = server => ended.context("the server broke off")?,
        signal = signals.next() => {
            leaving.abort();
            return Err(CommandError::Refused(anyhow::anyhow!("a second signal ({signal}) cut the shutdown short")));
        }
    }
    Ok(())
}

/// Has the measurements served until the process ends. Returns where.
fn serve_metrics((address, handle): (SocketAddr, PrometheusHandle)) -> Result<SocketAddr, CommandError> {
    let cannot_listen = || format!("`metrics_listen`: cannot listen on {address}");
    let listener = TcpListener::bind(address).with_context(cannot_listen)?;
    let address = listener.local_addr().with_context(cannot_listen)?;
    let server = metrics::serve(listener, handle).with_context(cannot_listen)?;
    rt::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(error = &error as &dyn std::error::Error, "the measurements are not served any more");
        }
    });
    Ok(address)
}

/// Each connection is a file to the system.
fn warn_of_few_files(connections: Connections) {
    let wanted = connections.descriptors() + OTHER_FILES;
    let allowed = allow_files(wanted);
    if allowed < wanted {
        tracing::warn!(
            allowed,
            wanted,
            "the system lets this process open too few files for `http.max_connections`: raise its limit (`ulimit -n`, \
             `LimitNOFILE=`), or lower the setting"
        );
    }
}

/// The use cases over the adapters.
async fn compose(config: &Config, adapters: &Adapters) -> Result<Auth, CommandError> {
    let Adapters { storage, clock, random, keys } = adapters;
    let pool = WorkPool::start_with(config.hashing.threads.get(), config.hashing.queue.get(), lower_priority);
    let pool = pool.context("the threads for hashing cannot be started")?;
    let estimating =
        WorkPool::start_with(1, MOST_ESTIMATES, lower_priority).context("no thread can be started")?.unmeasured();
    let hasher = PasswordHasher::new(config.hashing.cost, pool, Arc::clone(random)).context("`hashing`")?;
    let tokens = TokenSigner::load(config.issuer.clone(), &**storage, &keys.keys, &**clock, &**random).await;
    let tokens = tokens.map_err(|error| key_file::misfit(config, keys, error))?;
    let security_keys = SecurityKeys::new(config.relying_party.clone()).context("`relying_party`")?;
    Ok(Auth::new(Parts {
        storage: Arc::clone(storage),
        clock: Arc::clone(clock),
        random: Arc::clone(random),
        hasher,
        estimating,
        tokens,
        encryption_keys: keys.keys.clone(),
        security_keys,
        cache_settings: config.cache_settings,
        policy: config.policy,
    }))
}

/// Says where everything is, and warns of what should not be so for long.
async fn announce(config: &Config, adapters: &Adapters, addresses: Addresses, first_user_command: &str) {
    let no_users = match adapters.storage.account_page(PageRequest { limit: 0, offset: 0 }).await {
        Ok(page) => page.count == 0,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the users cannot be counted");
            false
        }
    };
    let start = Start {
        server: server_url(&config.listen, &addresses.server),
        base_path: &config.http.base_path,
        database: config.database.url.to_string(),
        encryption_key: adapters.keys.file.as_ref().map(|file| file.display().to_string()),
        metrics: addresses.metrics.map(|address| format!("http://{address}/metrics")),
        first_user_command: no_users.then_some(first_user_command),
    };
    start.print(config.log_format, adapters.clock.now());
    if adapters.keys.exposed {
        tracing::warn!("the encryption key file can be read by others than its owner: chmod 600");
    }
    let folder = config.database.url.sqlite_path().and_then(Path::parent);
    let folder = folder.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    if let Some(folder) = folder.filter(|folder| key_file::is_open_to_everybody(folder)) {
        tracing::warn!(folder = %folder.display(), "everybody on this machine may enter the data folder: chmod 700");
    }
    if config.http.cookie == SessionCookie::Plain {
        tracing::warn!(
            "THE SESSION COOKIE GOES OVER PLAIN HTTP (`insecure_cookie`): whoever is on the way can read it. \
             For development only"
        );
    }
}

/// Where the server is, without a path. A Unix socket is written as nginx writes it.
fn server_url(listen: &Place, addresses: &[SocketAddr]) -> String {
    let port = addresses.first().map_or(0, SocketAddr::port);
    match (listen, addresses.first()) {
        (Place::Host { name, .. }, _) => format!("http://{name}:{port}"),
        (Place::Address(address), None) | (Place::Address(_), Some(address)) => format!("http://{address}"),
        (Place::Unix(path), _) => format!("http://unix:{}:", path.display()),
    }
}

/// Learns of keys that were made elsewhere, well before they begin to sign.
async fn refresh_keys_regularly(auth: Arc<Auth>) {
    let mut ticks = tokio::time::interval(KEY_INTERVAL);
    loop {
        ticks.tick().await;
        if let Err(error) = auth.refresh_keys().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the signing keys were not refreshed");
        }
    }
}

/// Keeps the measurement of it true, whoever else asks or does not.
async fn check_writes_regularly(auth: Arc<Auth>) {
    let mut ticks = tokio::time::interval(WRITE_CHECK_INTERVAL);
    loop {
        ticks.tick().await;
        auth.takes_changes().await;
    }
}

async fn flush_regularly(auth: Arc<Auth>) {
    let mut ticks = tokio::time::interval(FLUSH_INTERVAL);
    loop {
        ticks.tick().await;
        flush(&auth).await;
    }
}

async fn flush(auth: &Auth) {
    if let Err(error) = auth.flush_failures().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "failed logins were not counted");
    }
    if let Err(error) = auth.flush_uses().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the times of last use were not written");
    }
}
