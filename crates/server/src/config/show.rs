//! Settings as they are shown to the operator: each in the form that it can be written in, and never a secret.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use ipnet::IpNet;
use thunderhead_auth::settings::{LoginErrors, Registration};
use thunderhead_auth::tokens::audience::Audience;
use thunderhead_auth::tokens::keys::EncryptionKeys;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_http::middleware::logged_requests::LoggedRequests;
use thunderhead_http::middleware::shield::FloodLimit;
use thunderhead_http::request::credential_order::CredentialOrder;
use thunderhead_http::request::origin::Origins;
use thunderhead_http::server::listen::Place;
use thunderhead_http::site::cookie_domain::CookieDomain;
use thunderhead_http::site::public_url::PublicUrl;
use thunderhead_http::site::redirect_origins::RedirectOrigins;
use thunderhead_storage::DatabaseUrl;

use super::sections::{CollectorUrl, Keep, LogFormat};
use super::units::UNITS;

/// How our environment variables begin.
pub(super) const PREFIX: &str = "THUNDERHEAD_";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ValueSource {
    /// From nowhere: nobody set it.
    Default,
    /// From how this program was built: without what the key is about.
    Build,
    /// From this file.
    File(String),
    /// From this environment variable.
    Variable(String),
    /// From this flag.
    Flag(&'static str),
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Build => f.write_str("built without it"),
            Self::File(path) => f.write_str(path),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// What holds for one key in the end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The key, as in the file.
    pub(crate) key: &'static str,
    /// The value, as an environment variable would have it; nothing where there is none.
    pub(crate) value: Option<String>,
    /// Where the value came from.
    pub(crate) origin: ValueSource,
}

impl Setting {
    /// The environment variable that sets the key.
    pub(crate) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.key.to_ascii_uppercase().replace('.', "__"))
    }
}

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OnOff(pub(super) bool);

/// A time, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seconds(pub(super) i64);

/// A time, in seconds, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound(pub(super) Option<i64>);

/// Several texts.
#[derive(Debug)]
pub(super) struct Texts(pub(super) Vec<String>);

/// Origins with the texts that they were made of.
#[derive(Debug, Default)]
pub(super) struct AllowedOrigins {
    /// As they were given.
    pub(super) texts: Vec<String>,
    /// Checked.
    pub(super) origins: Origins,
}

/// A value that can be shown to the operator, who may show it to others: a secret is named and not shown.
pub(super) trait SettingText {
    /// The value in the form that an environment variable would have.
    fn shown(&self) -> String;
}

impl SettingText for bool {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl SettingText for OnOff {
    fn shown(&self) -> String {
        if self.0 { "on" } else { "off" }.to_owned()
    }
}

impl SettingText for u32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl SettingText for NonZeroUsize {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl SettingText for String {
    fn shown(&self) -> String {
        self.clone()
    }
}

impl SettingText for PathBuf {
    fn shown(&self) -> String {
        self.display().to_string()
    }
}

impl SettingText for SocketAddr {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl SettingText for Place {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl SettingText for Vec<IpNet> {
    fn shown(&self) -> String {
        self.iter().map(IpNet::to_string).collect::<Vec<_>>().join(",")
    }
}

impl SettingText for Texts {
    fn shown(&self) -> String {
        self.0.join(",")
    }
}

impl SettingText for Audience {
    fn shown(&self) -> String {
        self.names().join(",")
    }
}

impl SettingText for AllowedOrigins {
    fn shown(&self) -> String {
        self.texts.join(",")
    }
}

impl SettingText for PublicUrl {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl SettingText for CookieDomain {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl SettingText for RedirectOrigins {
    fn shown(&self) -> String {
        self.texts().collect::<Vec<_>>().join(",")
    }
}

impl SettingText for CredentialOrder {
    fn shown(&self) -> String {
        self.names().collect::<Vec<_>>().join(",")
    }
}

/// In the largest unit that comes out even.
impl SettingText for Seconds {
    fn shown(&self) -> String {
        let even = UNITS.iter().rev().find(|(_, seconds)| self.0 % seconds == 0);
        even.map_or_else(|| self.0.to_string(), |(unit, seconds)| format!("{}{unit}", self.0 / seconds))
    }
}

impl SettingText for Bound {
    fn shown(&self) -> String {
        self.0.map_or_else(|| "off".to_owned(), |seconds| Seconds(seconds).shown())
    }
}

impl SettingText for Keep {
    fn shown(&self) -> String {
        match self {
            Self::For(seconds) => Seconds(*seconds).shown(),
            Self::Forever => "off".to_owned(),
        }
    }
}

/// In the largest unit that a limit may have and that comes out even.
impl SettingText for Limit {
    fn shown(&self) -> String {
        let Self::Within { count, window_millis } = self else { return "off".to_owned() };
        let seconds = window_millis.get() / 1_000;
        match (seconds % 3_600, seconds % 60) {
            (0, _) => format!("{count}/{}h", seconds / 3_600),
            (_, 0) => format!("{count}/{}m", seconds / 60),
            _ => format!("{count}/{seconds}s"),
        }
    }
}

impl SettingText for FloodLimit {
    fn shown(&self) -> String {
        match self {
            Self::Off => "off".to_owned(),
            Self::Leaky { per_second, burst } => format!("{per_second}/s+{burst}"),
        }
    }
}

impl SettingText for LoginErrors {
    fn shown(&self) -> String {
        match self {
            Self::Detailed => "detailed".to_owned(),
            Self::Uniform => "uniform".to_owned(),
        }
    }
}

impl SettingText for Registration {
    fn shown(&self) -> String {
        match self {
            Self::Open => "open".to_owned(),
            Self::Closed => "closed".to_owned(),
        }
    }
}

impl SettingText for LogFormat {
    fn shown(&self) -> String {
        match self {
            Self::Auto => "auto".to_owned(),
            Self::Lines => "lines".to_owned(),
            Self::Json => "json".to_owned(),
        }
    }
}

impl SettingText for LoggedRequests {
    fn shown(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::ChangesAndFailures => "changes-and-failures".to_owned(),
            Self::Off => "off".to_owned(),
        }
    }
}

impl SettingText for CollectorUrl {
    fn shown(&self) -> String {
        self.as_str().to_owned()
    }
}

/// Without the password, and without parameters, one of which may be a password.
impl SettingText for DatabaseUrl {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl SettingText for EncryptionKeys {
    fn shown(&self) -> String {
        "(secret)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_largest_unit_that_comes_out_even() {
        for (seconds, text) in [
            (1, "1s"),
            (90, "90s"),
            (120, "2m"),
            (86_400, "1d"),
            (90 * 86_400, "90d"),
            (7 * 86_400, "1w"),
            (315_576_000, "10y"),
        ] {
            assert_eq!(Seconds(seconds).shown(), text);
        }
    }
}
