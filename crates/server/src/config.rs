//! The settings: defaults, under `thunderhead.toml`, under `THUNDERHEAD_*`, under flags. Whatever is wrong is
//! said at once, one line each, with the key and where it came from.

mod kubernetes;
mod layers;
mod sections;
mod show;
mod values;

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use thunderhead_auth::credentials::webauthn::{RelyingParty, SecurityKeys};
use thunderhead_auth::{CacheSettings, Caps, Lifetimes, LoginErrors, Policy, Registration};
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_http::middleware::flood::FloodLimit;
use thunderhead_http::request::client_ip::TrustedProxies;
use thunderhead_http::request::cookie::SessionCookie;
use thunderhead_http::request::credential_order::CredentialOrder;
use thunderhead_http::server::connections::Connections;
use thunderhead_http::server::listen::Place;
use thunderhead_storage::{DatabaseUrl, StorageSettings};

pub use self::layers::{File, Flag, Sources};
pub use self::sections::{Hashing, Keep, KeySource, LogFormat, RetentionPeriods};
pub(crate) use self::show::{Setting, ValueSource};

use self::layers::Reader;
use self::show::{AllowedOrigins, OnOff, Seconds, Texts};
use self::values::{DAY, HOUR, YEAR};

/// The name of the database file in the data directory.
const DATABASE_FILE: &str = "thunderhead.db";
/// The name of the key file in the data directory.
const KEY_FILE: &str = "encryption.key";
/// The highest cap of sessions: at it, a login looks through so many for the least recently used one.
const MOST_SESSIONS: u32 = 10_000;
/// How long an attempt waits for its turn at an account: longer than hashing and the database take under load.
const ACCOUNT_LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where files of the server's own lie.
    pub data_dir: PathBuf,
    /// The database and how to use it.
    pub database: StorageSettings,
    /// Where migrations find the database, if not where all else does.
    pub migrate_url: Option<DatabaseUrl>,
    /// Whether `serve` brings the schema up to date.
    pub migrate_on_start: bool,
    /// Where the encryption keys are.
    pub encryption_key: KeySource,
    /// The `iss` of tokens.
    pub issuer: String,
    /// Whom security keys and authenticator apps know.
    pub relying_party: RelyingParty,
    /// What is cached of sessions.
    pub cache_settings: CacheSettings,
    /// What the use cases depend on.
    pub policy: Policy,
    /// How long what is over is kept.
    pub retention: RetentionPeriods,
    /// What hashing costs and who does it.
    pub hashing: Hashing,
    /// Where the server listens.
    pub listen: Place,
    /// The HTTP edge.
    pub http: thunderhead_http::HttpSettings,
    /// Where the measurements are read, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// What is logged: directives of `tracing-subscriber`.
    pub log: String,
    /// The form of the log.
    pub log_format: LogFormat,
    /// Variables that begin as ours do and are Kubernetes' own.
    pub passed_over: Vec<String>,
}

/// One thing that is wrong with the settings.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    /// The key, as in the file; empty where a source as a whole is at fault.
    key: String,
    /// Where it came from.
    origin: String,
    /// What is wrong, and what would be right.
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.origin, self.message),
            key => write!(f, "`{key}` ({}): {}", self.origin, self.message),
        }
    }
}

/// All that is wrong with the settings, a line each.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError(Vec<Problem>);

impl ConfigError {
    /// A source that cannot be read.
    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let origin = path.display().to_string();
        Self(vec![Problem { key: String::new(), origin, message: error.to_string() }])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Config {
    /// Lays the sources over the defaults and checks the result.
    ///
    /// # Errors
    /// All unknown keys and impossible values of all sources.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        Self::load_and_show(sources).map(|(config, _)| config)
    }

    /// The same, with every setting as it can be shown.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn load_and_show(sources: &Sources) -> Result<(Self, Vec<Setting>), ConfigError> {
        let mut reader = Reader::new(sources)?;
        let config = Self::read(&mut reader);
        reader.finish().map(|settings| (config, settings))
    }

    /// Where the encryption key lies if nobody says where, and there is only one process that needs it.
    pub(crate) fn default_key_file(&self) -> PathBuf {
        self.data_dir.join(KEY_FILE)
    }

    fn read(reader: &mut Reader) -> Self {
        let data_dir = reader.read("data_dir", PathBuf::from("./data"), values::path);
        let database = read_database(reader, data_dir.join(DATABASE_FILE));
        let is_file = database.url.sqlite_path().is_some();
        let migrate_url = read_migrate_url(reader, is_file);
        let listen = reader.read("listen", Place::Address(SocketAddr::from(([127, 0, 0, 1], 8_000))), values::place);
        Self {
            migrate_on_start: reader.read("migrate_on_start", true, values::boolean),
            encryption_key: KeySource::read(reader, is_file.then(|| data_dir.join(KEY_FILE))),
            issuer: reader.read("issuer", "thunderhead".to_owned(), values::issuer),
            relying_party: read_relying_party(reader, &listen),
            cache_settings: read_cache(reader, database.deadline),
            policy: read_policy(reader),
            retention: RetentionPeriods::read(reader),
            hashing: Hashing::read(reader),
            metrics_listen: reader.read_optional("metrics_listen", values::address),
            log: reader.read("log", "info".to_owned(), values::log_filter),
            log_format: reader.read("log_format", LogFormat::Auto, values::one_of),
            http: read_http(reader, &listen),
            passed_over: reader.passed_over(),
            data_dir,
            database,
            migrate_url,
            listen,
        }
    }
}

fn read_http(reader: &mut Reader, listen: &Place) -> thunderhead_http::HttpSettings {
    let limit = |count, seconds: u32| Limit::Within { count: nonzero(count), window_millis: nonzero(seconds * 1_000) };
    let flood = FloodLimit::Leaky { per_second: nonzero(50), burst: nonzero(200) };
    let networks = reader.read("trusted_proxies", vec![], values::networks);
    thunderhead_http::HttpSettings {
        base_path: reader.read("base_path", "/api".to_owned(), values::base_path),
        general_limit: reader.read("limits.general", limit(100, 60), values::limit),
        login_limit: reader.read("limits.login", limit(3, 180), values::limit),
        revocation_limit: reader.read("limits.revocation", limit(30, 60), values::limit),
        flood_limit: reader.read("limits.flood", flood, values::flood),
        trusted_proxies: TrustedProxies::new(networks),
        origins: reader.read("cors_origins", AllowedOrigins::default(), values::origins).origins,
        cookie: read_cookie(reader, listen),
        forward_auth_credentials: reader.read(
            "forward_auth.credentials",
            CredentialOrder::default(),
            values::credential_order,
        ),
        log_clients: reader.read("log_clients", true, values::boolean),
        workers: reader.read("http.workers", processors(), values::threads).get(),
        connections: read_connections(reader),
        ready_needs_writes: reader.read("health.ready_needs_writes", false, values::boolean),
        // Long enough for a load balancer that asks every second; short enough for who stops it by hand.
        drain: Duration::from_millis(reader.read("http.drain_ms", 1_000, values::within(0, 600_000)).into()),
    }
}

fn read_connections(reader: &mut Reader) -> Connections {
    let defaults = Connections::default();
    let millis = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    let mut time =
        |key, default| Duration::from_millis(reader.read(key, millis(default), values::within(1, 3_600_000)).into());
    let head_deadline = time("http.head_timeout_ms", defaults.head_deadline);
    let keep_alive = time("http.keep_alive_ms", defaults.keep_alive);
    let backlog = reader.read("http.backlog", defaults.backlog.into(), values::within(1, u16::MAX.into()));
    Connections {
        most: reader.read("http.max_connections", defaults.most, values::within(1, 1_000_000)),
        most_of_client: reader.read(
            "http.max_connections_per_client",
            defaults.most_of_client,
            values::within(1, 1_000_000),
        ),
        backlog: u16::try_from(backlog).unwrap_or(u16::MAX),
        head_deadline,
        keep_alive,
    }
}

fn read_database(reader: &mut Reader, default_file: PathBuf) -> StorageSettings {
    let url = reader.read("database_url", DatabaseUrl::sqlite(default_file), values::database_url);
    let defaults = StorageSettings::new(url.clone());
    let queue = NonZeroUsize::new(defaults.queue).unwrap_or(NonZeroUsize::MIN);
    let deadline = u32::try_from(defaults.deadline.as_millis()).unwrap_or(u32::MAX);
    let deadline = reader.read("database.deadline_ms", deadline, values::within(1, 600_000));
    StorageSettings {
        url,
        deadline: Duration::from_millis(deadline.into()),
        connections: reader.read("database.connections", defaults.connections, values::within(1, 10_000)),
        queue: reader.read("database.queue", queue, values::queue).get(),
        prepared_statements: reader.read("database.prepared_statements", OnOff(true), values::on_off).0,
    }
}

fn read_migrate_url(reader: &mut Reader, is_file: bool) -> Option<DatabaseUrl> {
    let url = reader.read_optional("database.migrate_url", values::database_url);
    if let Some(url) = &url
        && (is_file || url.sqlite_path().is_some())
    {
        reader.refuse("database.migrate_url", "it is another way to a Postgres database; a file has only one");
    }
    url
}

fn read_cookie(reader: &mut Reader, listen: &Place) -> SessionCookie {
    let insecure = reader.read("insecure_cookie", false, values::boolean);
    if insecure && !listen.is_loopback() {
        let message = "for development only: it is accepted only where `listen` is a loopback address";
        reader.refuse("insecure_cookie", message);
    }
    if insecure { SessionCookie::Plain } else { SessionCookie::Secure }
}

fn read_cache(reader: &mut Reader, deadline: Duration) -> CacheSettings {
    let mib = reader.read("cache.memory_mib", 64, values::within(0, 1_048_576));
    let max_staleness = reader.read("cache.max_staleness_ms", 0, values::within(0, 600_000));
    CacheSettings { bytes: u64::from(mib) << 20, max_staleness_millis: max_staleness.into(), deadline }
}

fn read_policy(reader: &mut Reader) -> Policy {
    Policy {
        lifetimes: read_lifetimes(reader),
        caps: Caps {
            sessions: reader.read("policy.max_sessions", 1_000, values::within(1, MOST_SESSIONS)),
            tokens: reader.read("policy.max_tokens", 200, values::within(0, MOST_SESSIONS)),
        },
        login_errors: reader.read("login_errors", LoginErrors::Detailed, values::one_of),
        registration: reader.read("registration", Registration::Open, values::one_of),
        staff_factor: StaffFactor::Required,
        account_lock_timeout: ACCOUNT_LOCK_TIMEOUT,
    }
}

fn read_relying_party(reader: &mut Reader, listen: &Place) -> RelyingParty {
    // Port 80 is not written in an origin. A port that the system picks (0) cannot be known, nor used from a browser.
    let origin = match listen.port() {
        None | Some(80) => "http://localhost".to_owned(),
        Some(port) => format!("http://localhost:{port}"),
    };
    let relying_party = RelyingParty {
        id: reader.read("relying_party.id", "localhost".to_owned(), values::any_text),
        name: reader.read("relying_party.name", "Thunderhead".to_owned(), values::any_text),
        origins: reader.read("relying_party.origins", Texts(vec![origin]), values::texts).0,
    };
    if let Err(invalid) = SecurityKeys::new(relying_party.clone()) {
        reader.refuse(invalid.setting(), &invalid.to_string());
    }
    relying_party
}

fn read_lifetimes(reader: &mut Reader) -> Lifetimes {
    let mut lifetime = |key, default| reader.read(key, Seconds(default), values::duration).0;
    Lifetimes {
        login: lifetime("lifetimes.login", 24 * HOUR),
        login_remembered: lifetime("lifetimes.login_remembered", 10 * YEAR),
        scoped: lifetime("lifetimes.scoped", 24 * HOUR),
        scoped_long: lifetime("lifetimes.scoped_long", 10 * YEAR),
        legacy: lifetime("lifetimes.legacy", 30 * DAY),
        kratos: lifetime("lifetimes.kratos", 24 * HOUR),
    }
}

/// For constants that are not 0.
fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

fn processors() -> NonZeroUsize {
    available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests;
