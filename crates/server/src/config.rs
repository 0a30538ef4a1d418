//! The settings: defaults, under `thunderhead.toml`, under `THUNDERHEAD_*`, under flags. Whatever is wrong is
//! said at once, one line each, with the key and where it came from.

mod layers;
mod values;

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use thunderhead_auth::keys::EncryptionKey;
use thunderhead_auth::password::HashCost;
use thunderhead_auth::{Lifetimes, LoginErrors, Policy, Registration};
use thunderhead_domain::judgement::StaffFactor;
use thunderhead_http::client_ip::TrustedProxies;
use thunderhead_http::flood::FloodLimit;
use thunderhead_http::limit::Limit;
use thunderhead_storage::{DatabaseUrl, Settings};

pub(crate) use self::layers::{File, Flag, Sources};

use self::layers::Reader;
use self::values::{DAY, HOUR, YEAR};

/// The name of the database file in the data directory.
const DATABASE_FILE: &str = "thunderhead.db";

/// All settings, checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where files of the server's own lie.
    pub(crate) data_dir: PathBuf,
    /// The database and how to use it.
    pub(crate) database: Settings,
    /// Whether `serve` brings the schema up to date.
    pub(crate) migrate_on_start: bool,
    /// Where the encryption key is.
    pub(crate) encryption_key: KeySource,
    /// The `iss` of tokens.
    pub(crate) issuer: String,
    /// What the use cases depend on.
    pub(crate) policy: Policy,
    /// How long the sessions of the other dialects live.
    #[cfg_attr(not(test), expect(dead_code, reason = "those dialects are not served yet; their settings are checked"))]
    pub(crate) dialect_lifetimes: DialectLifetimes,
    /// What hashing costs and who does it.
    pub(crate) hashing: Hashing,
    /// Where the server listens.
    pub(crate) listen: SocketAddr,
    /// The HTTP edge.
    pub(crate) http: thunderhead_http::Settings,
    /// What is logged: directives of `tracing-subscriber`.
    pub(crate) log: String,
}

/// Where the encryption key is.
#[derive(Debug)]
pub(crate) enum KeySource {
    /// In the settings themselves.
    Given(EncryptionKey),
    /// In this file.
    File(PathBuf),
    /// Nowhere that was named.
    Unset,
}

/// How long the sessions of the other dialects live, in seconds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DialectLifetimes {
    /// The legacy dialect, without `rememberMe`.
    pub(crate) legacy: i64,
    /// The Kratos dialect.
    pub(crate) kratos: i64,
}

/// What hashing costs and who does it.
#[derive(Debug)]
pub(crate) struct Hashing {
    /// The cost of one hash.
    pub(crate) cost: HashCost,
    /// Threads.
    pub(crate) threads: NonZeroUsize,
    /// Jobs that may wait for a thread.
    pub(crate) queue: NonZeroUsize,
}

/// One thing that is wrong with the settings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
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
pub(crate) struct ConfigError(Vec<Problem>);

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
    pub(crate) fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(sources)?;
        let config = Self::read(&mut reader);
        reader.finish().map(|()| config)
    }

    /// Where a value is bad its default stands in, so that all bad values are found; the result is then thrown away.
    fn read(reader: &mut Reader) -> Self {
        let data_dir = reader.read("data_dir", values::path).unwrap_or_else(|| PathBuf::from("./data"));
        let listen = reader.read("listen", values::address).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8_000)));
        Self {
            database: read_database(reader, data_dir.join(DATABASE_FILE)),
            migrate_on_start: reader.read("migrate_on_start", values::boolean).unwrap_or(true),
            encryption_key: KeySource::read(reader),
            issuer: reader.read("issuer", values::issuer).unwrap_or_else(|| "thunderhead".to_owned()),
            policy: read_policy(reader, listen),
            dialect_lifetimes: DialectLifetimes {
                legacy: reader.read("lifetimes.legacy", values::duration).unwrap_or(30 * DAY),
                kratos: reader.read("lifetimes.kratos", values::duration).unwrap_or(24 * HOUR),
            },
            hashing: Hashing::read(reader),
            log: reader.read("log", values::log_filter).unwrap_or_else(|| "info".to_owned()),
            http: read_http(reader),
            data_dir,
            listen,
        }
    }
}

impl KeySource {
    fn read(reader: &mut Reader) -> Self {
        let given = reader.read("encryption_key", values::encryption_key);
        let file = reader.read("encryption_key_file", values::path);
        match (given, file) {
            (Some(_), Some(_)) => {
                reader.refuse("encryption_key", "`encryption_key_file` is set too: set one of the two");
                Self::Unset
            }
            (Some(key), None) => Self::Given(key),
            (None, Some(path)) => Self::File(path),
            (None, None) => Self::Unset,
        }
    }
}

impl Hashing {
    fn read(reader: &mut Reader) -> Self {
        // OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one lane. The bounds keep a
        // slip of the finger from making logins impossible.
        let memory_kib = reader.read("hashing.memory_kib", values::within(8, 4 << 20)).unwrap_or(19_456);
        let passes = reader.read("hashing.passes", values::within(1, 1_000)).unwrap_or(2);
        let lanes = reader.read("hashing.lanes", values::within(1, 1_024)).unwrap_or(1);
        if memory_kib < 8 * lanes {
            reader.refuse("hashing.lanes", "each lane needs 8 KiB of `hashing.memory_kib`");
        }
        Self {
            cost: HashCost { memory_kib, passes, lanes },
            threads: reader.read("hashing.threads", values::threads).unwrap_or_else(processors),
            queue: reader.read("hashing.queue", values::queue).unwrap_or(NonZeroUsize::MIN.saturating_add(63)),
        }
    }
}

fn read_http(reader: &mut Reader) -> thunderhead_http::Settings {
    let limit = |count, seconds: u32| Limit::Within { count: nonzero(count), window_millis: nonzero(seconds * 1_000) };
    let flood = FloodLimit::Leaky { per_second: nonzero(50), burst: nonzero(200) };
    let networks = reader.read("trusted_proxies", values::networks).unwrap_or_default();
    thunderhead_http::Settings {
        base_path: reader.read("base_path", values::base_path).unwrap_or_else(|| "/api".to_owned()),
        general_limit: reader.read("limits.general", values::limit).unwrap_or_else(|| limit(100, 60)),
        login_limit: reader.read("limits.login", values::limit).unwrap_or_else(|| limit(3, 180)),
        flood_limit: reader.read("limits.flood", values::flood).unwrap_or(flood),
        trusted_proxies: TrustedProxies::new(networks),
        origins: reader.read("cors_origins", values::origins).unwrap_or_default(),
        workers: reader.read("http.workers", values::threads).unwrap_or_else(processors).get(),
    }
}

fn read_database(reader: &mut Reader, default_file: PathBuf) -> Settings {
    let url = reader.read("database_url", values::database_url);
    let mut settings = Settings::new(url.unwrap_or_else(|| DatabaseUrl::sqlite(default_file)));
    if let Some(millis) = reader.read("database.deadline_ms", values::within(1, 600_000)) {
        settings.deadline = Duration::from_millis(millis.into());
    }
    if let Some(connections) = reader.read("database.connections", values::within(1, 10_000)) {
        settings.connections = connections;
    }
    if let Some(queue) = reader.read("database.queue", values::queue) {
        settings.queue = queue.get();
    }
    settings
}

fn read_policy(reader: &mut Reader, listen: SocketAddr) -> Policy {
    let waived = reader.read("staff_without_factor", values::boolean).unwrap_or(false);
    if waived && !listen.ip().is_loopback() {
        let message = "for development only: it is accepted only where `listen` is a loopback address";
        reader.refuse("staff_without_factor", message);
    }
    let login_errors = [("detailed", LoginErrors::Detailed), ("uniform", LoginErrors::Uniform)];
    let registration = [("open", Registration::Open), ("closed", Registration::Closed)];
    Policy {
        lifetimes: read_lifetimes(reader),
        login_errors: reader.read("login_errors", values::one_of(login_errors)).unwrap_or(LoginErrors::Detailed),
        registration: reader.read("registration", values::one_of(registration)).unwrap_or(Registration::Open),
        staff_factor: if waived { StaffFactor::Waived } else { StaffFactor::Required },
    }
}

fn read_lifetimes(reader: &mut Reader) -> Lifetimes {
    let mut lifetime = |key, default| reader.read(key, values::duration).unwrap_or(default);
    Lifetimes {
        login: lifetime("lifetimes.login", 24 * HOUR),
        login_remembered: lifetime("lifetimes.login_remembered", 10 * YEAR),
        scoped: lifetime("lifetimes.scoped", 24 * HOUR),
        scoped_long: lifetime("lifetimes.scoped_long", 10 * YEAR),
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
