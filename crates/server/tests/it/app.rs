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
use thunderhead_auth::credentials::password::{HashCost, Password, PasswordHasher};
use thunderhead_auth::credentials::webauthn::{RelyingParty, SecurityKeys};
use thunderhead_auth::operator::{AccountForm, Operator};
use thunderhead_auth::tokens::keys::{EncryptionKey, EncryptionKeys};
use thunderhead_auth::tokens::token::TokenSigner;
use thunderhead_auth::work::WorkPool;
use thunderhead_auth::{Auth, CacheSettings, Caps, Lifetimes, LoginErrors, Parts, Policy, Registration};
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::ports::{Clock, Random, Storage, StorageError};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_http::middleware::cors::Origins;
use thunderhead_http::middleware::flood::FloodLimit;
use thunderhead_http::request::client_ip::TrustedProxies;
use thunderhead_http::request::cookie::SessionCookie;
use thunderhead_http::request::credential_order::CredentialOrder;
use thunderhead_http::server::connections::Connections;
use thunderhead_http::server::shutdown::Draining;
use thunderhead_http::{HttpSettings, serve};
use thunderhead_testkit::{TestDatabase, block_on};
use ureq::Agent;

pub(crate) use client::{Call, Client, PASSWORD, Response, claims, registration};
pub(crate) use factor::{CodeApp, Enrolled, Offer, assertion, backup, totp};
pub(crate) use ports::{ManualClock, START};
pub(crate) use raw::RawConnection;
pub(crate) use severable::Cut;

use ports::CountingRandom;
use severable::Severable;

/// Where the servers are, for tokens and for security keys.
pub(crate) const ORIGIN: &str = "https://auth.example";
/// Reading connections of each server: few, because many servers run at once.
const CONNECTIONS: u32 = 2;
/// Cheap: what is tested is not how hard passwords are to guess.
const HASH_COST: HashCost = HashCost { memory_kib: 8, passes: 1, lanes: 1 };
/// A server that has not answered by then hangs. Busy machines are slow, so it is long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one test is about: servers come and go, this stays.
struct World {
    settings: thunderhead_storage::StorageSettings,
    database: Mutex<Option<TestDatabase>>,
    clock: Arc<ManualClock>,
    random: Arc<CountingRandom>,
    encryption_keys: EncryptionKeys,
}

/// The settings of a server, to be changed by a test.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) policy: Policy,
    pub(crate) http: HttpSettings,
    /// How long the server waits for its database.
    pub(crate) deadline: Option<Duration>,
    /// Other encryption keys than those of the test's other servers.
    pub(crate) encryption_keys: Option<EncryptionKeys>,
    /// Bytes to remember sessions in; 0 caches none.
    pub(crate) memory: u64,
    /// For how long what was known may be believed without asking.
    pub(crate) max_staleness_millis: i64,
}

impl Default for Options {
    /// Everything as in production but for the limits, which are off, and the second factor of staff.
    fn default() -> Self {
        let lifetimes = Lifetimes {
            login: 86_400,
            login_remembered: 315_576_000,
            scoped: 86_400,
            scoped_long: 315_576_000,
            legacy: 2_592_000,
            kratos: 86_400,
        };
        Self {
            policy: Policy {
                lifetimes,
                caps: Caps { sessions: 1_000, tokens: 200 },
                login_errors: LoginErrors::Detailed,
                registration: Registration::Open,
                staff_factor: StaffFactor::Waived,
                account_lock_timeout: PATIENCE,
            },
            http: HttpSettings {
                log_clients: true,
                base_path: "/api".to_owned(),
                general_limit: Limit::Off,
                login_limit: Limit::Off,
                revocation_limit: Limit::Off,
                flood_limit: FloodLimit::Off,
                trusted_proxies: TrustedProxies::default(),
                origins: Origins::default(),
                cookie: SessionCookie::Secure,
                forward_auth_credentials: CredentialOrder::default(),
                workers: 1,
                connections: Connections::default(),
                drain: Duration::ZERO,
                ready_needs_writes: false,
            },
            deadline: None,
            encryption_keys: None,
            memory: 1 << 20,
            max_staleness_millis: 0,
        }
    }
}

/// A running server. It stops when it is dropped.
pub(crate) struct TestApp {
    running: Running,
    agent: Agent,
    auth: Arc<Auth>,
    storage: Arc<Severable>,
    options: Options,
    world: Arc<World>,
    numbers: AtomicU32,
}

impl TestApp {
    /// A server with the usual settings.
    pub(crate) fn start(database: TestDatabase) -> Self {
        Self::with(database, |_| ())
    }

    /// A server with other settings.
    pub(crate) fn with(database: TestDatabase, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::default();
        change(&mut options);
        let random = Arc::new(CountingRandom::new());
        let encryption_keys = EncryptionKey::generate(&*random).into();
        let clock = Arc::new(ManualClock::new());
        let settings = thunderhead_storage::StorageSettings { connections: CONNECTIONS, ..database.settings() };
        let database = Mutex::new(Some(database));
        Self::run(Arc::new(World { settings, database, clock, random, encryption_keys }), options)
    }

    /// Another server on the same database, with connections of its own.
    pub(crate) fn replica(&self) -> Self {
        Self::run(Arc::clone(&self.world), self.options.clone())
    }

    /// Another server on the same database, with other settings.
    pub(crate) fn replica_with(&self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = self.options.clone();
        change(&mut options);
        Self::run(Arc::clone(&self.world), options)
    }

    /// Stops this server and starts another one on the same database.
    pub(crate) fn restart(self) -> Self {
        let (world, options) = (Arc::clone(&self.world), self.options.clone());
        drop(self);
        Self::run(world, options)
    }

    fn run(world: Arc<World>, options: Options) -> Self {
        let mut settings = world.settings.clone();
        settings.deadline = options.deadline.unwrap_or(settings.deadline);
        let inner = thunderhead_storage::connect(&settings).expect("threads for the database");
        let storage = Arc::new(Severable::new(inner));
        let auth = Arc::new(compose(&world, Arc::clone(&storage) as _, &options));
        let random: Arc<dyn Random> = Arc::clone(&world.random) as _;
        let running = Running::start(options.http.clone(), Arc::clone(&auth), Arc::clone(&storage) as _, random);
        Self { running, agent: agent(), auth, storage, options, world, numbers: AtomicU32::new(0) }
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
        let pool = WorkPool::start(1, 1).expect("a thread for hashing");
        let hasher = PasswordHasher::new(HASH_COST, pool, Arc::clone(&self.world.random) as _).expect("cheap hashing");
        let (username, email) = (name.to_owned(), format!("{name}@example.org"));
        let form = AccountForm { username, email, password: Password::new(PASSWORD.to_owned()), staff: true };
        block_on(self.operator().account_create(&hasher, form)).expect("an account");
        self.anonymous().log_in(name)
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
        &self.auth
    }

    /// Cuts the line to the database, or mends it. Returns how often the last cut was run into.
    pub(crate) fn cut(&self, cut: Cut) -> u32 {
        self.storage.cut(cut)
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
        block_on(self.auth.flush_uses())
    }

    /// Takes over the stored signing keys, as the server does every few seconds.
    pub(crate) fn refresh_keys(&self) {
        block_on(self.auth.refresh_keys()).expect("the stored keys");
    }

    /// The keys that signing keys are stored under.
    pub(crate) fn encryption_keys(&self) -> &EncryptionKeys {
        &self.world.encryption_keys
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

fn compose(world: &World, storage: Arc<dyn Storage>, options: &Options) -> Auth {
    let clock: Arc<dyn Clock> = Arc::clone(&world.clock) as _;
    let random: Arc<dyn Random> = Arc::clone(&world.random) as _;
    let encryption_keys = options.encryption_keys.clone().unwrap_or_else(|| world.encryption_keys.clone());
    let policy = options.policy;
    let pool = WorkPool::start(1, 1_024).expect("a thread for hashing");
    let hasher = PasswordHasher::new(HASH_COST, pool, Arc::clone(&random)).expect("cheap hashing");
    let estimating = WorkPool::start(1, 1_024).expect("a thread for new passwords").unmeasured();
    let issuer = ORIGIN.to_owned();
    let tokens = block_on(TokenSigner::load(issuer, &*storage, &encryption_keys, &*clock, &*random)).expect("keys");
    let deadline = options.deadline.unwrap_or(PATIENCE);
    let cache_settings =
        CacheSettings { bytes: options.memory, max_staleness_millis: options.max_staleness_millis, deadline };
    let security_keys = security_keys();
    Auth::new(Parts {
        storage,
        clock,
        random,
        hasher,
        estimating,
        tokens,
        encryption_keys,
        security_keys,
        cache_settings,
        policy,
    })
}

/// Security keys for pages of [`ORIGIN`].
fn security_keys() -> SecurityKeys {
    let origins = vec![ORIGIN.to_owned()];
    let relying_party = RelyingParty { id: "auth.example".to_owned(), name: "Thunderhead".to_owned(), origins };
    SecurityKeys::new(relying_party).expect("a relying party")
}

/// The server's thread.
struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(settings: HttpSettings, auth: Arc<Auth>, storage: Arc<dyn Storage>, random: Arc<dyn Random>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (started, start) = mpsc::channel();
        let thread = thread::spawn(move || {
            System::new().block_on(async move {
                let server = serve(listener, settings, auth, storage, random, &Draining::default()).expect("a server");
                started.send(server.handle()).expect("somebody who waits for it");
                server.await.expect("a server that ends well");
            });
        });
        let handle = start.recv().expect("a server that starts");
        Self { address, handle, thread: Some(thread) }
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
