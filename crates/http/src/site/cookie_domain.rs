//! The domain whose applications a browser shows its pass.

use std::fmt;
use std::str::FromStr;

use url::Host;

use crate::site::public_url::PublicUrl;

/// A domain of two labels or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieDomain(String);

/// A text that is no such domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a domain of two labels or more, as in example.org, not {0:?}")]
pub struct InvalidCookieDomain(String);

impl CookieDomain {
    /// As it stands in a cookie.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether browsers send cookies of this domain to a host, which is spelt as they spell it.
    pub(crate) fn reaches(&self, host: &str) -> bool {
        host.strip_suffix(self.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// Whether a server that browsers find there can set cookies of this domain that stay secret.
    pub fn can_be_set_by(&self, public_url: &PublicUrl) -> bool {
        public_url.is_https() && self.reaches(public_url.host())
    }
}

impl FromStr for CookieDomain {
    type Err = InvalidCookieDomain;

    fn from_str(text: &str) -> Result<Self, InvalidCookieDomain> {
        let invalid = || InvalidCookieDomain(text.to_owned());
        let Ok(Host::Domain(domain)) = Host::parse(text) else { return Err(invalid()) };
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let whole = domain.contains('.') && domain.split('.').all(is_label);
        if whole { Ok(Self(domain)) } else { Err(invalid()) }
    }
}

impl fmt::Display for CookieDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> Result<CookieDomain, InvalidCookieDomain> {
        text.parse()
    }

    #[test]
    fn a_domain_has_two_labels_or_more_and_is_no_address() {
        for (text, spelt) in [("example.org", "example.org"), ("Apps.Example.ORG", "apps.example.org")] {
            assert_eq!(domain(text).unwrap().as_str(), spelt);
        }
        for text in
            ["", "org", ".example.org", "example.org.", "a..org", "*.example.org", "192.0.2.1", "[::1]", "a b.org"]
        {
            assert_eq!(domain(text), Err(InvalidCookieDomain(text.to_owned())));
        }
    }

    #[test]
    fn it_reaches_itself_and_what_is_below_it() {
        let domain = domain("example.org").unwrap();
        for host in ["example.org", "app.example.org", "a.b.example.org"] {
            assert!(domain.reaches(host), "{host}");
        }
        for host in ["", "org", "badexample.org", "example.org.", "example.org.evil", "app.example.com"] {
            assert!(!domain.reaches(host), "{host}");
        }
    }

    #[test]
    fn it_is_set_by_a_secure_server_at_or_below_it() {
        let domain = domain("example.org").unwrap();
        let can = |url: &str| domain.can_be_set_by(&url.parse().unwrap());
        assert!(can("https://example.org") && can("https://auth.example.org:8443"));
        assert!(!can("https://auth.example.com") && !can("http://localhost:8000") && !can("https://notexample.org"));
    }
}
