//! Where browsers find this server: the origin of the pages.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thunderhead_auth::origin::{InvalidOrigin, normalised};
use url::{Host, Url};

use crate::request::cookie::SessionCookie;

/// An origin that browsers reach: `https`, or `http` on this very machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    url: Url,
}

/// A text that is no such origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPublicUrl {
    /// It is no origin, or more than one.
    #[error(transparent)]
    NoOrigin(#[from] InvalidOrigin),
    /// A session would go over the network in clear.
    #[error("expected https, or http for localhost, not {0}")]
    Insecure(String),
}

impl PublicUrl {
    /// This very machine, by the only name that browsers use security keys for.
    pub fn localhost(port: u16) -> Option<Self> {
        format!("http://localhost:{port}").parse().ok()
    }

    /// The same server at another port, where that was left to the system to pick.
    #[must_use]
    pub fn at_port(self, port: u16) -> Self {
        if self.url.port() == Some(0) { Self::localhost(port).unwrap_or(self) } else { self }
    }

    /// As browsers write it, without a slash at its end.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The host alone.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether the host is a name, and no address.
    pub fn has_domain(&self) -> bool {
        self.url.domain().is_some()
    }

    pub(crate) const fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it is reached by TLS.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The cookie that browsers keep a session in there.
    pub fn cookie(&self) -> SessionCookie {
        if self.is_https() { SessionCookie::Secure } else { SessionCookie::Plain }
    }

    /// The address of a path, which begins with a slash.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let origin = normalised(text)?;
        let url = Url::parse(&origin).map_err(|_| InvalidOrigin::NotOne(text.to_owned()))?;
        match url.scheme() {
            "https" => Ok(Self { origin, url }),
            "http" if is_this_machine(&url) => Ok(Self { origin, url }),
            _ => Err(InvalidPublicUrl::Insecure(origin)),
        }
    }
}

/// Whether a URL leads to the machine that it is opened on (RFC 6761, section 6.3).
pub(crate) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether the host of a `Host` header is an address of this machine.
pub(crate) fn is_loopback_address(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_an_origin_that_no_session_leaks_by() {
        for (text, origin, cookie) in [
            ("https://Auth.example.org:443/", "https://auth.example.org", SessionCookie::Secure),
            ("https://localhost:8443", "https://localhost:8443", SessionCookie::Secure),
            ("http://localhost:8000", "http://localhost:8000", SessionCookie::Plain),
            ("http://app.localhost", "http://app.localhost", SessionCookie::Plain),
            ("http://[::1]:80", "http://[::1]", SessionCookie::Plain),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((url.origin(), url.cookie()), (origin, cookie));
        }
        for text in ["http://auth.example.org", "http://192.0.2.1", "http://localhost.example", "ftp://localhost"] {
            assert!(matches!(text.parse::<PublicUrl>(), Err(InvalidPublicUrl::Insecure(_))), "{text}");
        }
        for text in ["", "auth.example.org", "https://auth.example.org/login"] {
            assert!(matches!(text.parse::<PublicUrl>(), Err(InvalidPublicUrl::NoOrigin(_))), "{text}");
        }
    }

    #[test]
    fn a_port_that_the_system_picks_is_filled_in() {
        let at = |text: &str, port| text.parse::<PublicUrl>().unwrap().at_port(port).to_string();
        assert_eq!(at("http://localhost:0", 4_711), "http://localhost:4711");
        assert_eq!(at("http://localhost:8000", 4_711), "http://localhost:8000");
        assert_eq!(at("https://auth.example.org", 4_711), "https://auth.example.org");
        assert_eq!(PublicUrl::localhost(80).unwrap().at("/login"), "http://localhost/login");
    }

    #[test]
    fn addresses_of_this_machine_are_known() {
        for host in ["127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "127.1.2.3:1"] {
            assert!(is_loopback_address(host), "{host}");
        }
        for host in ["", "localhost:8000", "192.0.2.1:8000", "127.0.0.1.example", "[2001:db8::1]", "example:127"] {
            assert!(!is_loopback_address(host), "{host}");
        }
    }
}
