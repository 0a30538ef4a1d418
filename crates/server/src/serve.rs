//! `thunderhead serve`: puts the adapters together, says where everything is, and serves until a signal.

use std::io::{self, IsTerminal};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use anyhow::Context;
use thunderhead_auth::password::PasswordHasher;
use thunderhead_auth::token::TokenSigner;
use thunderhead_auth::work::WorkPool;
use thunderhead_auth::{Auth, Parts};
use thunderhead_domain::judgement::StaffFactor;
use thunderhead_domain::ports::{Clock, PageRequest, Random, Storage};
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::database;
use crate::failure::Failure;
use crate::key_file::{self, LoadedKey};
use crate::retention::prune_regularly;
use crate::system::{SystemClock, SystemRandom};

/// How often the times of last use are written.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// How often there is a look for new signing keys.
const KEY_INTERVAL: Duration = Duration::from_secs(10);

/// What everything else is built on.
struct Adapters {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    key: LoadedKey,
}

/// Serves until the process is told to stop. Where there are no users yet, the command that makes the first one is
/// shown.
///
/// # Errors
/// Where something that serving needs is not there.
pub(crate) fn serve(config: &Config, first_user_command: &str) -> Result<(), Failure> {
    start_log(config)?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let storage = database::open_or_make(config)?;
    let key = key_file::load(config, &*random)?;
    let adapters = Adapters { storage, clock: Arc::new(SystemClock), random, key };
    rt::System::new().block_on(run(config, adapters, first_user_command))
}

async fn run(config: &Config, adapters: Adapters, first_user_command: &str) -> Result<(), Failure> {
    let auth = Arc::new(compose(config, &adapters).await?);
    let cannot_listen = || format!("cannot listen on {}", config.listen);
    let listener = TcpListener::bind(config.listen).with_context(cannot_listen)?;
    let address = listener.local_addr().with_context(cannot_listen)?;
    let storage = Arc::clone(&adapters.storage);
    let server = thunderhead_http::serve(
        listener,
        config.http.clone(),
        Arc::clone(&auth),
        storage,
        Arc::clone(&adapters.random),
    )
    .with_context(cannot_listen)?;
    announce(config, &adapters, address, first_user_command).await;
    let flusher = rt::spawn(flush_uses_regularly(Arc::clone(&auth)));
    let key_keeper = rt::spawn(refresh_keys_regularly(Arc::clone(&auth)));
    let pruner = rt::spawn(prune_regularly(adapters.storage, adapters.clock, config.retention));
    server.await.context("the server broke off")?;
    pruner.abort();
    key_keeper.abort();
    flusher.abort();
    flush_uses(&auth).await;
    Ok(())
}

/// The use cases over the adapters.
async fn compose(config: &Config, adapters: &Adapters) -> Result<Auth, Failure> {
    let Adapters { storage, clock, random, key } = adapters;
    let pool = WorkPool::start(config.hashing.threads.get(), config.hashing.queue.get());
    let pool = pool.context("the threads for hashing cannot be started")?;
    let hasher = PasswordHasher::new(config.hashing.cost, pool, Arc::clone(random)).context("`hashing`")?;
    let tokens = TokenSigner::load(config.issuer.clone(), &**storage, &key.key, &**clock, &**random).await?;
    Ok(Auth::new(Parts {
        storage: Arc::clone(storage),
        clock: Arc::clone(clock),
        random: Arc::clone(random),
        hasher,
        tokens,
        encryption_key: key.key.clone(),
        policy: config.policy,
    }))
}

/// Says in a few lines where everything is, and warns of what should not be so for long.
async fn announce(config: &Config, adapters: &Adapters, address: SocketAddr, first_user_command: &str) {
    println!("Thunderhead {} serves http://{address}{}", env!("CARGO_PKG_VERSION"), config.http.base_path);
    println!("  database        {}", config.database.url);
    if let Some(file) = &adapters.key.file {
        println!("  encryption key  {} (keep a copy: without it, everybody is logged out)", file.display());
    }
    match adapters.storage.account_page(PageRequest { limit: 0, offset: 0 }).await {
        Ok(page) if page.count == 0 => {
            println!("There are no users yet. Make the first one:");
            println!("  {first_user_command}");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the users cannot be counted"),
    }
    if adapters.key.exposed {
        tracing::warn!("the encryption key file can be read by others than its owner: chmod 600");
    }
    if config.policy.staff_factor == StaffFactor::Waived {
        tracing::warn!(
            "STAFF NEED NO SECOND FACTOR (`staff_without_factor`): whoever has a staff password has everything. \
             For development only"
        );
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

async fn flush_uses_regularly(auth: Arc<Auth>) {
    let mut ticks = tokio::time::interval(FLUSH_INTERVAL);
    loop {
        ticks.tick().await;
        flush_uses(&auth).await;
    }
}

async fn flush_uses(auth: &Auth) {
    if let Err(error) = auth.flush_uses().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the times of last use were not written");
    }
}

/// Readable lines on a terminal, JSON elsewhere; on the standard error either way.
fn start_log(config: &Config) -> Result<(), Failure> {
    // What actix says of its threads is for its own developers; the setting can ask for it.
    let filter = EnvFilter::try_new(format!("actix_server=warn,{}", config.log)).context("`log`")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = if io::stderr().is_terminal() { log.try_init() } else { log.json().try_init() };
    Ok(started.map_err(|error| anyhow::Error::msg(error.to_string()))?)
}
