//! The whole server in the test's process, on a database, a clock and a random source of its own.

mod client;
mod factor;
mod ports;
mod raw;
mod severable;

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::rt::System;
use thunderhead::application::{Adapters, Application};
use thunderhead::config::{Config, Sources};
use thunderhead_auth::Auth;
use thunderhead_auth::credentials::password::{Password, PasswordHasher};
use thunderhead_auth::operator::{AccountForm, Operator};
use thunderhead_auth::tokens::keys::{EncryptionKey, EncryptionKeys};
use thunderhead_auth::work::WorkPool;
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::ports::{Clock, Random, Storage, StorageError};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_http::server::shutdown::Draining;
use thunderhead_storage::connect;
use thunderhead_testkit::{TestDatabase, block_on};
use thunderhead_webhook_client::WebhookClient;
use ureq::Agent;

pub(crate) use client::{Call, Client, PASSWORD, Response, claims, registration};
pub(crate) use factor::{CodeApp, Enrolled, Offer, assertion, backup, passkey, totp};
pub(crate) use ports::{ManualClock, START};
pub(crate) use raw::RawConnection;
pub(crate) use severable::Cut;

use ports::CountingRandom;
use severable::Severable;

/// Where the servers are, for tokens and for security keys.
pub(crate) const ORIGIN: &str = "https://auth.example";
/// A server that has not answered by then hangs. Busy machines are slow, so it is long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one test is about: servers come and go, this stays.
struct World {
    database: Mutex<Option<TestDatabase>>,
    clock: Arc<ManualClock>,
    random: Arc<CountingRandom>,
    encryption_keys: EncryptionKeys,
}

/// Everything as in production but for the limits and the second factor of staff, which are off; for hashing, which is
/// cheap; and for what keeps many servers at once from getting in each other's way.
fn config(database: &TestDatabase, encryption_key: &EncryptionKey) -> Config {
    let key = encryption_key.to_text();
    let settings = [
        ("DATABASE_URL", database.url_text()),
        ("DATABASE__CONNECTIONS", "2"),
        ("DATABASE__DEADLINE_MS", "30000"),
        ("ENCRYPTION_KEY", &key),
        ("ISSUER", ORIGIN),
        ("PUBLIC_URL", ORIGIN),
        ("RELYING_PARTY__ID", "auth.example"),
        ("RELYING_PARTY__ORIGINS", ORIGIN),
        ("LIMITS__GENERAL", "off"),
        ("LIMITS__LOGIN", "off"),
        ("LIMITS__REVOCATION", "off"),
        ("LIMITS__FLOOD", "off"),
        ("HASHING__MEMORY_KIB", "8"),
        ("HASHING__PASSES", "1"),
        ("HASHING__THREADS", "1"),
        ("HASHING__QUEUE", "1024"),
        ("CACHE__MEMORY_MIB", "1"),
        ("HTTP__WORKERS", "1"),
        ("HTTP__DRAIN_MS", "0"),
    ];
    let environment = settings.map(|(name, value)| (format!("THUNDERHEAD_{name}").into(), value.into())).into();
    let mut config = Config::load(&Sources { environment, ..Sources::default() }).expect("settings");
    config.policy.staff_factor = StaffFactor::Waived;
    config.policy.account_lock_timeout = PATIENCE;
    config.policy.attempt_timeout = PATIENCE;
    config
}

/// A running server. It stops when it is dropped.
pub(crate) struct TestApp {
    running: Running,
    agent: Agent,
    application: Arc<Application>,
    storage: Arc<Severable>,
    world: Arc<World>,
    numbers: AtomicU32,
}

impl TestApp {
    /// A server with the usual settings.
    pub(crate) fn start(database: TestDatabase) -> Self {
        Self::with(database, |_| ())
    }

    /// A server with other settings.
    pub(crate) fn with(database: TestDatabase, change: impl FnOnce(&mut Config)) -> Self {
        let random = Arc::new(CountingRandom::new());
        let encryption_key = EncryptionKey::generate(&*random);
        let mut config = config(&database, &encryption_key);
        change(&mut config);
        let (clock, database) = (Arc::new(ManualClock::new()), Mutex::new(Some(database)));
        Self::run(Arc::new(World { database, clock, random, encryption_keys: encryption_key.into() }), config)
    }

    /// Another server on the same database, with connections of its own.
    pub(crate) fn replica(&self) -> Self {
        self.replica_with(|_| ())
    }

    /// Another server on the same database, with other settings.
    pub(crate) fn replica_with(&self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = self.application.config().clone();
        change(&mut config);
        Self::run(Arc::clone(&self.world), config)
    }

    /// Stops this server and starts another one on the same database.
    pub(crate) fn restart(self) -> Self {
        let (world, config) = (Arc::clone(&self.world), self.application.config().clone());
        drop(self);
        Self::run(world, config)
    }

    fn run(world: Arc<World>, config: Config) -> Self {
        let storage = Arc::new(Severable::new(connect(&config.storage()).expect("threads for the database")));
        let (clock, random) = (Arc::clone(&world.clock) as _, Arc::clone(&world.random) as _);
        let webhook_sender = Arc::new(WebhookClient::default());
        let adapters = Adapters { storage: Arc::clone(&storage) as _, clock, random, webhook_sender };
        let application = block_on(Application::build(config, adapters)).expect("an application");
        let application = Arc::new(application);
        let running = Running::start(Arc::clone(&application));
        Self { running, agent: agent(), application, storage, world, numbers: AtomicU32::new(0) }
    }

    /// A client without a credential.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.agent.clone(), self.address())
    }

    /// A client with the session of a user who has just registered.
    pub(crate) fn user(&self, name: &str) -> Client {
        self.anonymous().register(name)
    }

    /// A client with the ordinary session of a user whom the operator has just made as staff.
    pub(crate) fn staff(&self, name: &str) -> Client {
        let (username, email) = (name.to_owned(), format!("{name}@example.org"));
        let form = AccountForm { username, email, password: Password::new(PASSWORD.to_owned()), staff: true };
        block_on(self.operator().account_create(&self.hasher(), form)).expect("an account");
        self.anonymous().log_in(name)
    }

    /// What hashes passwords on the command line.
    pub(crate) fn hasher(&self) -> PasswordHasher {
        let pool = WorkPool::start(1, 1).expect("a thread for hashing");
        let (cost, random) = (self.application.config().hashing.cost, Arc::clone(&self.world.random));
        PasswordHasher::new(cost, pool, random).expect("cheap hashing")
    }

    /// A client with the session of a user whose name does not matter.
    pub(crate) fn spare(&self) -> Client {
        self.user(&format!("spare{}", self.number()))
    }

    /// What an operator does on the command line.
    pub(crate) fn operator(&self) -> Operator {
        let (clock, random) = (Arc::clone(&self.world.clock), Arc::clone(&self.world.random));
        Operator::new(Arc::clone(&self.storage) as _, clock, random)
    }

    /// Turns a kill switch on or off, as the operator.
    pub(crate) fn switch(&self, switch: KillSwitch, on: bool) {
        block_on(self.operator().switch_set(switch, on)).expect("a switch");
    }

    /// Bans a user, as the operator.
    pub(crate) fn ban(&self, name: &str) {
        block_on(self.operator().account_ban(name, None)).expect("a ban");
    }

    /// Another number at every call.
    pub(crate) fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// The clock of all servers of this test.
    pub(crate) fn clock(&self) -> &ManualClock {
        &self.world.clock
    }

    /// The random source of all servers of this test.
    pub(crate) fn random(&self) -> &dyn Random {
        &*self.world.random
    }

    /// The milliseconds of the clock.
    pub(crate) fn millis(&self) -> i64 {
        self.clock().now().unix_millis()
    }

    /// The whole seconds of the clock.
    pub(crate) fn seconds(&self) -> i64 {
        self.clock().now().unix_seconds()
    }

    /// The ports, for looking behind the server's back.
    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// What the server knows and no client can ask it.
    pub(crate) fn auth(&self) -> &Auth {
        self.application.auth()
    }

    /// Cuts the line to the database, or mends it. Returns how often the last cut was run into.
    pub(crate) fn cut(&self, cut: Cut) -> u32 {
        self.storage.cut(cut)
    }

    /// The operations that the database was asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<&'static str> {
        self.storage.asked()
    }

    /// Does something, once, in the middle of a request: just before the next operation of this name.
    pub(crate) fn before(&self, operation: &'static str, act: impl FnOnce(&dyn Storage) + Send + 'static) {
        self.storage.before(operation, act);
    }

    /// Does something, once, in the middle of a request: when the next operation of this name is over, and before the
    /// server knows what came of it.
    pub(crate) fn after(&self, operation: &'static str, act: impl FnOnce(&dyn Storage) + Send + 'static) {
        self.storage.after(operation, act);
    }

    /// Changes the database behind the server's back.
    pub(crate) fn tamper(&self, statements: &str) {
        self.world.database.lock().unwrap().as_ref().expect("a database").tamper(statements);
    }

    /// Removes the database from under the server.
    pub(crate) fn drop_database(&self) {
        self.world.database.lock().unwrap().take();
    }

    /// Writes when sessions were last used, as the server does every now and then.
    pub(crate) fn flush_uses(&self) {
        self.try_flush_uses().expect("written uses");
    }

    /// The same where it may fail.
    pub(crate) fn try_flush_uses(&self) -> Result<(), StorageError> {
        block_on(self.auth().lookup.flush_uses())
    }

    /// Takes over the stored signing keys, as the server does every few seconds.
    pub(crate) fn refresh_keys(&self) {
        block_on(self.auth().tokens.refresh_keys()).expect("the stored keys");
    }

    /// The keys that signing keys are stored under.
    pub(crate) fn encryption_keys(&self) -> &EncryptionKeys {
        &self.world.encryption_keys
    }

    /// What says that the server is about to stop.
    pub(crate) fn draining(&self) -> Draining {
        self.running.draining.clone()
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// A connection for requests that no client would send.
    pub(crate) fn raw(&self) -> RawConnection {
        RawConnection::open(self.address())
    }
}

/// A client without a credential of a server that is a process of its own.
pub(crate) fn client_at(address: SocketAddr) -> Client {
    Client::new(agent(), address)
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .max_idle_connections_per_host(16)
        .timeout_global(Some(PATIENCE))
        .user_agent("");
    config.build().new_agent()
}

/// The server's thread.
struct Running {
    address: SocketAddr,
    draining: Draining,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(application: Arc<Application>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (started, start) = mpsc::channel();
        let draining = Draining::default();
        let told = draining.clone();
        let thread = thread::spawn(move || {
            System::new().block_on(async move {
                let server = application.serve(listener, &told).expect("a server");
                started.send(server.handle()).expect("somebody who waits for it");
                server.await.expect("a server that ends well");
            });
        });
        let handle = start.recv().expect("a server that starts");
        Self { address, draining, handle, thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The order to stop is given by the call; the thread ends when it has been carried out.
        drop(self.handle.stop(false));
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the server panicked");
    }
}
