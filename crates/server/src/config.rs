//! The settings: defaults, under `thunderhead.toml`, under `THUNDERHEAD_*`, under flags. Whatever is wrong is
//! said at once, one line each, with the key and where it came from.

mod kubernetes;
mod layers;
mod read;
mod sections;
mod session_policy;
mod show;
mod units;
mod values;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use thunderhead_auth::credentials::webauthn::RelyingParty;
use thunderhead_auth::settings::{CacheSettings, Policy};
use thunderhead_auth::tokens::audience::Audience;
use thunderhead_http::middleware::shield::FloodLimit;
use thunderhead_http::server::listen::Place;
use thunderhead_storage::{DatabaseUrl, StorageSettings};

use self::layers::Reader;
pub use self::layers::{File, Flag, Sources};
pub use self::sections::{
    CollectorUrl, Hashing, InvalidCollectorUrl, Keep, KeySource, LogFormat, RetentionPeriods, ThemeFiles, TraceSettings,
};
pub(crate) use self::show::{Setting, ValueSource};

/// The name of the key file in the data directory.
const KEY_FILE: &str = "encryption.key";

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
    /// The `aud` of session tokens, if they have any.
    pub audience: Audience,
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
    /// The shield in front of everything.
    pub flood_limit: FloodLimit,
    /// The HTTP server.
    pub http: thunderhead_http::HttpSettings,
    /// The files that change how the pages look.
    pub theme: ThemeFiles,
    /// Whether there would be pages if anybody knew where browsers find them.
    pub pages_lack_url: bool,
    /// Where the measurements are read, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// What is logged: directives of `tracing-subscriber`.
    pub log: String,
    /// The form of the log.
    pub log_format: LogFormat,
    /// Where traces are sent, if anywhere.
    pub traces: Option<TraceSettings>,
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
        let config = read::config(&mut reader);
        reader.finish().map(|settings| (config, settings))
    }

    /// How to use the database, in which sessions are under the policy.
    pub fn storage(&self) -> StorageSettings {
        StorageSettings { session_policy: self.policy.sessions, ..self.database.clone() }
    }

    /// Where the encryption key lies if nobody says where, and there is only one process that needs it.
    pub(crate) fn default_key_file(&self) -> PathBuf {
        self.data_dir.join(KEY_FILE)
    }
}

#[cfg(test)]
mod tests;
