//! The origins whose pages are trusted, and the same-origin rule for cookies (`docs/API-KRATOS.md`).

use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN};
use thunderhead_auth::origin::{InvalidOrigin, normalised};

use crate::request::credential::{Sole, sole};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origins whose pages are trusted, spelt as browsers spell them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Those that may call from elsewhere.
    listed: Vec<String>,
    /// This server's own, where it is known.
    own: Option<String>,
}

impl Origins {
    /// These origins: scheme, host and port; no path, no wildcard.
    ///
    /// # Errors
    /// Where one of them is none.
    pub fn new(texts: Vec<String>) -> Result<Self, InvalidOrigin> {
        let listed = texts.iter().map(|text| normalised(text)).collect::<Result<_, _>>()?;
        Ok(Self { listed, own: None })
    }

    /// The same where browsers find this server at an origin, which is spelt as they spell it.
    pub(crate) fn beside(self, own: &str) -> Self {
        Self { own: Some(own.to_owned()), ..self }
    }

    /// Those that may call from elsewhere.
    pub(crate) fn texts(&self) -> &[String] {
        &self.listed
    }

    /// Whether an `Origin` header names one of them.
    pub(crate) fn contains(&self, origin: &HeaderValue) -> bool {
        self.listed.iter().chain(&self.own).any(|listed| listed.as_bytes() == origin.as_bytes())
    }
}

/// Whether a request whose credential is a cookie may do what it asks. Reading is harmless; for a change the
/// browser must say that it comes from this site or from a configured origin. A request of which nothing is said
/// comes from no browser, but from a server that passes the cookie on.
pub(crate) fn is_same_origin(method: &Method, headers: &HeaderMap, origins: &Origins) -> bool {
    is_safe(method) || matches!(request_site(headers, origins), RequestSite::Same | RequestSite::Nothing)
}

/// Whether a request to a page may do what it asks, whatever its credential is. Reading is harmless; for a change the
/// browser must say that it comes from a page of this very origin. A request of which nothing is said comes from no form.
pub(crate) fn is_from_own_page(method: &Method, headers: &HeaderMap, own: &str) -> bool {
    if is_safe(method) {
        return true;
    }
    match (sole(headers.get_all(SEC_FETCH_SITE)), sole(headers.get_all(ORIGIN))) {
        (Sole::One(site), Sole::Nothing | Sole::One(_)) => site.as_bytes() == b"same-origin",
        (Sole::Nothing, Sole::One(origin)) => origin.as_bytes() == own.as_bytes(),
        (Sole::Nothing, Sole::Nothing) | (Sole::Several, _) | (_, Sole::Several) => false,
    }
}

/// Whether a method only reads (RFC 9110, section 9.2.1).
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What a browser says of the page that made it ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestSite {
    Nothing,
    /// It is of this site, or of a configured origin, or there is none.
    Same,
    /// Its origin, which is not configured, and not whether that is this site's.
    OriginAlone,
    /// It is of another one, or what is said of it is not clear.
    Other,
}

/// What `Sec-Fetch-Site` and `Origin` say.
pub(crate) fn request_site(headers: &HeaderMap, origins: &Origins) -> RequestSite {
    let site = sole(headers.get_all(SEC_FETCH_SITE));
    let origin = sole(headers.get_all(ORIGIN));
    match (site, origin) {
        (Sole::Nothing, Sole::Nothing) => RequestSite::Nothing,
        (Sole::One(site), _) if matches!(site.as_bytes(), b"same-origin" | b"none") => RequestSite::Same,
        (_, Sole::One(origin)) if origins.contains(origin) => RequestSite::Same,
        (Sole::Nothing, Sole::One(_)) => RequestSite::OriginAlone,
        (_, Sole::Nothing | Sole::One(_) | Sole::Several) => RequestSite::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::headers;

    #[test]
    fn a_page_changes_nothing_but_for_a_page_of_its_own_origin() {
        let own = "https://auth.example";
        let passes = |method: Method, lines: &[(&str, &str)]| {
            let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            is_from_own_page(&method, &headers(&lines), own)
        };
        let foreign = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
        assert!([Method::GET, Method::HEAD].into_iter().all(|method| passes(method, &foreign)));
        for lines in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("sec-fetch-site", "same-origin"), ("origin", own)],
            &[("origin", own)],
        ] {
            assert!(passes(Method::POST, lines), "{lines:?}");
        }
        for lines in [
            &[][..],
            &foreign,
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-site"), ("origin", own)],
            &[("sec-fetch-site", "cross-site"), ("origin", own)],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-origin"), ("origin", own), ("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "https://auth.example.evil.example")],
            &[("origin", "http://auth.example")],
        ] {
            assert!(!passes(Method::POST, lines), "{lines:?}");
        }
    }

    #[test]
    fn changes_by_cookie_need_an_origin_that_the_browser_vouches_for() {
        let origins = Origins::new(vec!["https://app.example".to_owned()]).unwrap();
        let passes = |method: Method, lines: &[(&str, &str)]| {
            let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            is_same_origin(&method, &headers(&lines), &origins)
        };
        let foreign = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(passes(method, &foreign));
        }
        for lines in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://this.example")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://app.example")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://app.example")],
            &[("origin", "https://app.example")],
        ] {
            assert!(passes(Method::POST, lines), "{lines:?}");
        }
        for lines in [
            &foreign[..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "Same-Origin")],
            &[("sec-fetch-site", "")],
            &[("sec-fetch-site", "none"), ("sec-fetch-site", "none")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "https://app.example.evil.example")],
            &[("origin", "https://app.example"), ("origin", "https://app.example")],
        ] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert!(!passes(method, lines), "{lines:?}");
            }
        }
    }
}
