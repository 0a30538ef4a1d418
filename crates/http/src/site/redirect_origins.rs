//! The origins of applications that a sign-in may lead to.

use thunderhead_auth::origin::{InvalidOrigin, normalised};
use url::Url;

use crate::site::public_url::is_this_machine;

/// What stands for whole labels in front.
const WILDCARD: &str = "https://*.";

/// A list of origins, some of which may stand for all that are below a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedirectOrigins(Vec<Allowed>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    /// This origin.
    Exactly(String),
    /// `https` at one or more labels in front of this domain, which begins with a dot, at this port.
    Below { domain: String, port: Option<u16> },
}

/// A text that is no origin to lead to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectOrigin {
    /// It is no origin, or more than one.
    #[error(transparent)]
    NoOrigin(#[from] InvalidOrigin),
    /// It is one of another kind.
    #[error("expected https, or http for localhost, not {0}")]
    Insecure(String),
    /// All of a top-level domain, or of an address.
    #[error("{0:?} stands for too much: expected a domain of two labels or more behind the *.")]
    TooWide(String),
}

impl RedirectOrigins {
    /// These origins: `https://app.example.org`, `https://*.example.org`, or `http://localhost:3000`.
    ///
    /// # Errors
    /// Where one of them is none.
    pub fn new(texts: &[String]) -> Result<Self, InvalidRedirectOrigin> {
        texts.iter().map(|text| Allowed::new(text)).collect::<Result<_, _>>().map(Self)
    }

    /// The same texts, in the form that browsers write origins in.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|allowed| match allowed {
            Allowed::Exactly(origin) => origin.clone(),
            Allowed::Below { domain, port: None } => format!("https://*{domain}"),
            Allowed::Below { domain, port: Some(port) } => format!("https://*{domain}:{port}"),
        })
    }

    /// Whether a URL is of one of them.
    pub(crate) fn allow(&self, url: &Url) -> bool {
        let origin = url.origin().ascii_serialization();
        self.0.iter().any(|allowed| match allowed {
            Allowed::Exactly(listed) => *listed == origin,
            Allowed::Below { domain, port } => {
                let host = url.domain().unwrap_or_default();
                let whole = |labels: &str| labels.split('.').all(|label| !label.is_empty());
                let below = host.strip_suffix(domain.as_str()).is_some_and(whole);
                url.scheme() == "https" && below && url.port() == *port
            }
        })
    }
}

impl Allowed {
    fn new(text: &str) -> Result<Self, InvalidRedirectOrigin> {
        if let Some(rest) = text.strip_prefix(WILDCARD) {
            let url = parsed(&format!("https://{rest}"))?;
            let domain = url.domain().filter(|domain| domain.contains('.') && !domain.ends_with('.'));
            let domain = domain.ok_or_else(|| InvalidRedirectOrigin::TooWide(text.to_owned()))?;
            return Ok(Self::Below { domain: format!(".{domain}"), port: url.port() });
        }
        let url = parsed(text)?;
        match url.scheme() {
            "https" => {}
            "http" if is_this_machine(&url) => {}
            _ => return Err(InvalidRedirectOrigin::Insecure(text.to_owned())),
        }
        Ok(Self::Exactly(url.origin().ascii_serialization()))
    }
}

fn parsed(text: &str) -> Result<Url, InvalidOrigin> {
    let origin = normalised(text)?;
    Url::parse(&origin).map_err(|_| InvalidOrigin::NotOne(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(texts: &[&str]) -> Result<RedirectOrigins, InvalidRedirectOrigin> {
        RedirectOrigins::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn origins_are_taken_in_any_spelling_and_shown_in_one() {
        let listed =
            ["HTTPS://App.example:443/", "https://*.Example.org", "http://localhost:3000", "https://*.b.example:8443"];
        let shown: Vec<_> = origins(&listed).unwrap().texts().collect();
        assert_eq!(
            shown,
            ["https://app.example", "https://*.example.org", "http://localhost:3000", "https://*.b.example:8443"]
        );
    }

    #[test]
    fn what_would_let_too_much_through_is_refused() {
        assert!(matches!(origins(&["http://app.example"]), Err(InvalidRedirectOrigin::Insecure(_))));
        assert!(matches!(origins(&["app://x"]), Err(InvalidRedirectOrigin::Insecure(_))));
        for wide in ["https://*.com", "https://*.192.0.2.1", "https://*.example.org."] {
            assert!(matches!(origins(&[wide]), Err(InvalidRedirectOrigin::TooWide(_))), "{wide}");
        }
        for none in ["", "*", "https://*", "https://*.", "http://*.example.org", "https://a.*.example", "https://x/y"] {
            assert!(matches!(origins(&[none]), Err(InvalidRedirectOrigin::NoOrigin(_))), "{none}");
        }
    }

    #[test]
    fn a_wildcard_is_whole_labels_in_front() {
        let origins = origins(&["https://*.example.org", "https://one.test:8443"]).unwrap();
        let allowed = |text: &str| origins.allow(&Url::parse(text).unwrap());
        for url in ["https://app.example.org/x", "https://a.b.example.org", "https://one.test:8443/?q"] {
            assert!(allowed(url), "{url}");
        }
        for url in [
            "https://example.org",
            "https://.example.org",
            "https://..example.org",
            "https://badexample.org",
            "https://app.example.org.evil.test",
            "https://app.example.org:8443",
            "http://app.example.org",
            "https://one.test",
            "https://two.test:8443",
        ] {
            assert!(!Url::parse(url).is_ok_and(|url| origins.allow(&url)), "{url}");
        }
    }
}
