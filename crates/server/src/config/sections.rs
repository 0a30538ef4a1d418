//! Settings that belong together and are nobody else's.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use actix_web::http::Uri;
use thunderhead_auth::credentials::password::HashCost;
use thunderhead_auth::tokens::keys::EncryptionKeys;
use thunderhead_domain::time::Timestamp;

/// Where the encryption keys are.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// In the settings themselves.
    Given(EncryptionKeys),
    /// In this file.
    File(PathBuf),
    /// Nowhere that was named.
    Unset,
}

/// What hashing costs and who does it.
#[derive(Clone, Debug)]
pub struct Hashing {
    /// The cost of one hash.
    pub cost: HashCost,
    /// Threads.
    pub threads: NonZeroUsize,
    /// Jobs that may wait for a thread.
    pub queue: NonZeroUsize,
}

/// The operator's own files that change how the pages look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThemeFiles {
    /// A picture instead of the site's name.
    pub logo: Option<PathBuf>,
    /// A style sheet behind the pages' own.
    pub css: Option<PathBuf>,
}

/// How long something is kept once it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many seconds.
    For(i64),
    /// For ever.
    Forever,
}

/// How long what is over is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionPeriods {
    /// Sessions, from their end or expiry on.
    pub sessions: Keep,
    /// Records of the audit trail.
    pub audit: Keep,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines on a terminal, JSON elsewhere.
    Auto,
    /// A line for each event, to be read.
    Lines,
    /// A JSON object for each event.
    Json,
}

/// Where traces are sent, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSettings {
    /// The collector.
    pub endpoint: CollectorUrl,
    /// Of how many traces one is sent.
    pub one_in: u32,
}

/// The address of a collector of traces: `http` or `https`, without a user, a query or a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl(String);

/// A text that is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the address of a collector, as in http://127.0.0.1:4318, without a user or a query")]
pub struct InvalidCollectorUrl;

impl CollectorUrl {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CollectorUrl {
    type Err = InvalidCollectorUrl;

    fn from_str(text: &str) -> Result<Self, InvalidCollectorUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidCollectorUrl)?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let names_host = uri.authority().is_some_and(|at| !at.host().is_empty() && !at.as_str().contains('@'));
        let is_base = uri.query().is_none() && !text.contains('#');
        if is_http && names_host && is_base { Ok(Self(text.to_owned())) } else { Err(InvalidCollectorUrl) }
    }
}

impl Keep {
    /// What was over before this moment can go.
    pub(crate) fn until(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::For(seconds) => Some(now.plus_seconds(-seconds)),
            Self::Forever => None,
        }
    }
}
