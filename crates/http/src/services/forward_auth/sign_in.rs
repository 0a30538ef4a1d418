//! Where a browser is led that has no session: to the sign-in page, and from there back to where it was.

use actix_web::http::header::HeaderValue;
use url::Url;

use crate::pages::redirect::{LONGEST, leading_to};
use crate::request::cookie::SessionCookie;
use crate::request::credential::CredentialPlace;
use crate::site::PageSettings;
use crate::site::public_url::PublicUrl;
use crate::site::redirect_origins::RedirectOrigins;

const LOGIN: &str = "/login";

/// Where the pages are, and where a sign-in there is of use.
#[derive(Debug)]
pub(crate) struct SignIn {
    public_url: PublicUrl,
    redirects: RedirectOrigins,
    /// The session cookie, if one is looked for.
    cookie: Option<SessionCookie>,
}

impl SignIn {
    pub(crate) fn new(site: &PageSettings, cookie: SessionCookie, places: &[CredentialPlace]) -> Self {
        Self {
            public_url: site.public_url.clone(),
            redirects: site.redirects.clone(),
            cookie: places.contains(&CredentialPlace::Cookie).then_some(cookie),
        }
    }

    /// Whether our cookie arrives at an address. Where it does not, a browser would be led round for ever.
    pub(super) fn reaches(&self, address: &Url) -> bool {
        let is_own = address.host_str() == Some(self.public_url.host());
        match self.cookie {
            None => false,
            Some(SessionCookie::Secure) => is_own && address.scheme() == "https",
            Some(SessionCookie::Plain) => is_own,
        }
    }

    /// Whether the pages lead back to an address.
    pub(super) fn leads_back_to(&self, address: &Url) -> bool {
        address.origin() == self.public_url.url().origin() || self.redirects.allow(address)
    }

    /// The address of the sign-in page, which leads back. A place that is too long to be led back to is left out.
    pub(super) fn location(&self, back: &Url) -> Option<HeaderValue> {
        let fits = back.as_str().len() <= LONGEST;
        let page = if fits { leading_to(LOGIN, back.as_str()) } else { LOGIN.to_owned() };
        HeaderValue::try_from(self.public_url.at(&page)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_in(public_url: &str, places: &[CredentialPlace]) -> SignIn {
        let public_url: PublicUrl = public_url.parse().unwrap();
        let cookie = public_url.cookie();
        let site = PageSettings {
            public_url,
            staff: true,
            redirects: RedirectOrigins::new(&["https://*.example.org".to_owned()]).unwrap(),
            name: String::new(),
            logo: None,
            css: None,
        };
        SignIn::new(&site, cookie, places)
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_cookie_arrives_at_the_host_of_the_pages_alone() {
        let all = CredentialPlace::ALL;
        let (public, here) = (sign_in("https://auth.example.org", &all), sign_in("http://localhost:8000", &all));
        for (address, expected) in [
            ("https://auth.example.org/x", [true, false]),
            ("https://auth.example.org:8443/x", [true, false]),
            ("http://auth.example.org", [false; 2]),
            ("https://app.auth.example.org", [false; 2]),
            ("https://example.org", [false; 2]),
            ("https://auth.example.org.", [false; 2]),
            ("http://localhost:9000/x", [false, true]),
            ("http://127.0.0.1:9000/x", [false; 2]),
        ] {
            assert_eq!([&public, &here].map(|each| each.reaches(&url(address))), expected, "{address}");
        }
        let never_read = sign_in("https://auth.example.org", &[CredentialPlace::Authorization]);
        assert!(!never_read.reaches(&url("https://auth.example.org")));
    }

    #[test]
    fn the_sign_in_page_leads_back_to_where_the_browser_was() {
        let sign_in = sign_in("https://auth.example.org", &CredentialPlace::ALL);
        let back = url("https://app.example.org/x?y=z&a=%20#b");
        let expected = "https://auth.example.org/login?rd=https%3A%2F%2Fapp.example.org%2Fx%3Fy%3Dz%26a%3D%2520%23b";
        assert_eq!(sign_in.location(&back).unwrap(), expected);
        let long = url(&format!("https://app.example.org/{}", "x".repeat(LONGEST)));
        assert_eq!(sign_in.location(&long).unwrap(), "https://auth.example.org/login");
        assert!(sign_in.leads_back_to(&back) && !sign_in.leads_back_to(&url("https://app.example.com")));
    }
}
