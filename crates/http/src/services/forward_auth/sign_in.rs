//! Where a browser is led that has no session, or one that is not proved as it must be: to the pages, and from there
//! back to where it was.

use actix_web::http::header::HeaderValue;
use url::Url;

use crate::pages::error::CONFIRM;
use crate::pages::redirect::{LONGEST, MAX_AGE, RD};
use crate::request::cookie::SessionCookie;
use crate::request::credential::CredentialPlace;
use crate::site::PageSettings;
use crate::site::cookie_domain::CookieDomain;
use crate::site::public_url::PublicUrl;
use crate::site::redirect_origins::RedirectOrigins;

/// Where the pages are, and where a sign-in there is of use.
#[derive(Debug)]
pub(crate) struct SignIn {
    public_url: PublicUrl,
    redirects: RedirectOrigins,
    /// The session cookie, if one is looked for.
    cookie: Option<SessionCookie>,
    /// The domain of passes, if one is looked for.
    pass_domain: Option<CookieDomain>,
}

/// A page of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Where somebody signs in.
    Login,
    /// Where somebody who is signed in shows again who they are: unless all was shown in the last so many seconds.
    Confirm(Option<u32>),
}

impl SignIn {
    pub(crate) fn new(site: &PageSettings, cookie: SessionCookie, places: &[CredentialPlace]) -> Self {
        Self {
            public_url: site.public_url.clone(),
            redirects: site.redirects.clone(),
            cookie: places.contains(&CredentialPlace::Cookie).then_some(cookie),
            pass_domain: site.pass_domain.clone().filter(|_| places.contains(&CredentialPlace::Pass)),
        }
    }

    /// Whether a cookie of ours arrives at an address. Where none does, a browser would be led round for ever.
    pub(super) fn reaches(&self, address: &Url) -> bool {
        let (host, is_https) = (address.host_str().unwrap_or_default(), address.scheme() == "https");
        let by_cookie = match self.cookie {
            None => false,
            Some(SessionCookie::Secure) => is_https && host == self.public_url.host(),
            Some(SessionCookie::Plain) => host == self.public_url.host(),
        };
        by_cookie || is_https && self.pass_domain.as_ref().is_some_and(|domain| domain.reaches(host))
    }

    /// Whether the pages lead back to an address.
    pub(super) fn leads_back_to(&self, address: &Url) -> bool {
        address.origin() == self.public_url.url().origin() || self.redirects.allow(address)
    }

    /// The address of a door that leads back. One that is too long to be led back to is left out.
    pub(super) fn location(&self, door: Door, back: &Url) -> Option<HeaderValue> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let path = match door {
            Door::Login => "/login",
            Door::Confirm(max_age) => {
                if let Some(seconds) = max_age {
                    query.append_pair(MAX_AGE, &seconds.to_string());
                }
                CONFIRM
            }
        };
        if back.as_str().len() <= LONGEST {
            query.append_pair(RD, back.as_str());
        }
        let query = query.finish();
        let place = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        HeaderValue::try_from(self.public_url.at(&place)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_in(public_url: &str, pass_domain: Option<&str>, places: &[CredentialPlace]) -> SignIn {
        let public_url: PublicUrl = public_url.parse().unwrap();
        let cookie = public_url.cookie();
        let site = PageSettings {
            public_url,
            staff: true,
            redirects: RedirectOrigins::new(&["https://*.example.org".to_owned()]).unwrap(),
            pass_domain: pass_domain.map(|domain| domain.parse().unwrap()),
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
    fn a_cookie_arrives_at_the_own_host_and_a_pass_below_its_domain() {
        let all = CredentialPlace::ALL;
        let with_pass = sign_in("https://auth.example.org", Some("example.org"), &all);
        let without = sign_in("https://auth.example.org", None, &all);
        let here = sign_in("http://localhost:8000", None, &all);
        for (address, expected) in [
            ("https://auth.example.org/x", [true, true, false]),
            ("https://auth.example.org:8443/x", [true, true, false]),
            ("https://app.example.org", [true, false, false]),
            ("https://example.org", [true, false, false]),
            ("http://auth.example.org", [false; 3]),
            ("http://app.example.org", [false; 3]),
            ("https://badexample.org", [false; 3]),
            ("https://app.example.org.", [false; 3]),
            ("https://evil.example", [false; 3]),
            ("http://localhost:9000/x", [false, false, true]),
            ("http://127.0.0.1:9000/x", [false; 3]),
        ] {
            assert_eq!([&with_pass, &without, &here].map(|each| each.reaches(&url(address))), expected, "{address}");
        }
        let no_pass = sign_in("https://auth.example.org", Some("example.org"), &[CredentialPlace::Cookie]);
        assert!(no_pass.reaches(&url("https://auth.example.org")) && !no_pass.reaches(&url("https://app.example.org")));
        let nothing = sign_in("https://auth.example.org", Some("example.org"), &[CredentialPlace::Authorization]);
        assert!(!nothing.reaches(&url("https://auth.example.org")));
    }

    #[test]
    fn a_door_leads_back_to_where_the_browser_was() {
        let sign_in = sign_in("https://auth.example.org", None, &CredentialPlace::ALL);
        let back = url("https://app.example.org/x?y=z&a=%20#b");
        for (door, location) in [
            (Door::Login, "/login?rd=https%3A%2F%2Fapp.example.org%2Fx%3Fy%3Dz%26a%3D%2520%23b"),
            (Door::Confirm(None), "/account/confirm?rd=https%3A%2F%2Fapp.example.org%2Fx%3Fy%3Dz%26a%3D%2520%23b"),
            (
                Door::Confirm(Some(600)),
                "/account/confirm?max_age=600&rd=https%3A%2F%2Fapp.example.org%2Fx%3Fy%3Dz%26a%3D%2520%23b",
            ),
        ] {
            assert_eq!(sign_in.location(door, &back).unwrap(), format!("https://auth.example.org{location}"));
        }
        let long = url(&format!("https://app.example.org/{}", "x".repeat(LONGEST)));
        assert_eq!(sign_in.location(Door::Login, &long).unwrap(), "https://auth.example.org/login");
        assert!(sign_in.leads_back_to(&back) && !sign_in.leads_back_to(&url("https://app.example.com")));
    }
}
