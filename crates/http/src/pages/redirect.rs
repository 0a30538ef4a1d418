//! Where a page leads on to: `rd` (or `return_to`) in the query, as far as that may be. Whatever is not certain to be
//! ours, or an application's that the operator has listed, is dropped, and nobody is told an error.

use std::borrow::Cow;

use actix_web::HttpRequest;
use percent_encoding::percent_decode_str;
use url::{Origin, Url};

use crate::request::query;
use crate::site::PageSettings;
use crate::site::public_url::is_this_machine;

/// The longest that is looked at, in bytes.
pub(crate) const LONGEST: usize = 2_048;
/// What it is called.
pub(crate) const RD: &str = "rd";
/// How many seconds ago somebody may have shown who they are who is led on at once.
pub(crate) const MAX_AGE: &str = "max_age";
const NAMES: [&str; 2] = [RD, "return_to"];
/// Where everybody lands of whom nothing else is asked.
const DEFAULT: &str = "/account";
/// Pages that nobody is led to: they are what leads on.
const PASSED_BY: [&str; 2] = ["login", "logout"];

/// Where somebody is led, in the form that the parser gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum NextPlace {
    /// Nothing that was asked for.
    #[default]
    Account,
    /// A path with its query on this server.
    Own(String),
    /// A page of an application.
    Elsewhere(Url),
}

impl NextPlace {
    /// What the query of a request asks for.
    pub(crate) fn of(request: &HttpRequest, site: &PageSettings) -> Self {
        let mut asked: Vec<String> = NAMES.into_iter().flat_map(|name| query::texts(request, name)).collect();
        // Who asks for two places means one that others do not see.
        match (asked.pop(), asked.is_empty()) {
            (Some(text), true) => Self::parse(&text, site).unwrap_or_default(),
            _ => Self::Account,
        }
    }

    fn parse(text: &str, site: &PageSettings) -> Option<Self> {
        let odd = |character: char| character.is_control() || character == '\\' || character == '\u{feff}';
        if text.len() > LONGEST || text.contains(odd) || text.trim() != text {
            return None;
        }
        if text.starts_with('/') {
            return if text.starts_with("//") { None } else { own(&site.public_url.url().join(text).ok()?, site) };
        }
        let (scheme, rest) = text.split_once("://")?;
        let url = Url::parse(text).ok()?;
        // Parsers are lenient: what is not written as plainly as it is read was written for somebody else.
        if !url.scheme().eq_ignore_ascii_case(scheme) || rest.starts_with('/') || has_user(&url, rest) {
            return None;
        }
        if url.domain().is_some_and(|domain| domain.ends_with('.')) {
            return None;
        }
        if url.origin() == site.public_url.url().origin() {
            return own(&url, site);
        }
        let safe = url.scheme() == "https" || url.scheme() == "http" && is_this_machine(&url);
        (safe && site.redirects.allow(&url)).then_some(Self::Elsewhere(url))
    }

    /// What a `Location` says.
    pub(crate) fn location(&self) -> &str {
        match self {
            Self::Account => DEFAULT,
            Self::Own(path) => path,
            Self::Elsewhere(url) => url.as_str(),
        }
    }

    /// The host that people are told they go on to, where it is not this one.
    pub(crate) fn host(&self) -> Option<Cow<'_, str>> {
        let Self::Elsewhere(url) = self else { return None };
        let host = url.host_str().unwrap_or_default();
        Some(url.port().map_or(Cow::Borrowed(host), |port| format!("{host}:{port}").into()))
    }

    /// The origin that a form's answer may lead to, where it is not this one.
    pub(crate) fn origin(&self) -> Option<String> {
        match self {
            Self::Elsewhere(url) => match url.origin() {
                origin @ Origin::Tuple(..) => Some(origin.ascii_serialization()),
                Origin::Opaque(_) => None,
            },
            Self::Account | Self::Own(_) => None,
        }
    }

    /// A path of ours that leads on to here, too.
    pub(crate) fn after(&self, path: &str) -> String {
        match self {
            Self::Account => path.to_owned(),
            Self::Own(_) | Self::Elsewhere(_) => leading_to(path, self.location()),
        }
    }
}

/// A path of ours that is asked to lead on to another place.
pub(crate) fn leading_to(path: &str, place: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair(RD, place).finish();
    format!("{path}?{query}")
}

/// A path on this server: with exactly one slash in front, or browsers would take it for a host.
fn own(url: &Url, site: &PageSettings) -> Option<NextPlace> {
    let path = url.path();
    if url.origin() != site.public_url.url().origin() || path.starts_with("//") || !path.starts_with('/') {
        return None;
    }
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let first = decoded.split('/').find(|segment| !segment.is_empty()).unwrap_or_default();
    if PASSED_BY.contains(&first) || decoded.contains(['\\', '\0']) {
        return None;
    }
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let fragment = url.fragment().map(|fragment| format!("#{fragment}")).unwrap_or_default();
    Some(NextPlace::Own(format!("{path}{query}{fragment}")))
}

/// Whether there is user information, if only an empty one, which the parser leaves out.
fn has_user(url: &Url, rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.contains('@') || !url.username().is_empty() || url.password().is_some()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;
    use crate::site::redirect_origins::RedirectOrigins;

    fn site() -> PageSettings {
        let origins = ["https://app.example.org", "https://*.apps.example", "http://localhost:3000"].map(str::to_owned);
        PageSettings {
            public_url: "https://auth.example.org".parse().unwrap(),
            staff: true,
            redirects: RedirectOrigins::new(&origins).unwrap(),
            pass_domain: None,
            name: String::new(),
            logo: None,
            css: None,
        }
    }

    fn asked(query: &str) -> NextPlace {
        NextPlace::of(&TestRequest::with_uri(&format!("/login?{query}")).to_http_request(), &site())
    }

    fn of(text: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("rd", text).finish();
        asked(&query).location().to_owned()
    }

    #[test]
    fn own_paths_and_listed_origins_are_gone_to() {
        for (text, location) in [
            ("/", "/"),
            ("/account/tokens?a=b&c=%2F#d", "/account/tokens?a=b&c=%2F#d"),
            ("/a b/ü", "/a%20b/%C3%BC"),
            ("/account/../register", "/register"),
            ("/logins", "/logins"),
            ("https://auth.example.org/account?x", "/account?x"),
            ("https://app.example.org", "https://app.example.org/"),
            ("HTTPS://App.Example.org:443/x?y#z", "https://app.example.org/x?y#z"),
            ("https://one.apps.example/a/../b", "https://one.apps.example/b"),
            ("http://localhost:3000/callback", "http://localhost:3000/callback"),
        ] {
            assert_eq!(of(text), location, "{text}");
        }
        assert_eq!(asked("return_to=%2Fregister").location(), "/register");
    }

    #[test]
    fn whatever_else_is_asked_for_is_dropped() {
        for text in [
            "",
            "account",
            "//evil",
            "///evil",
            "/\\evil",
            "\\\\evil",
            "/\t/evil",
            "/\n/evil",
            "/.//evil",
            "/x/..//evil",
            "/%5Cevil",
            "https:evil",
            "https:/evil",
            "https:///evil",
            "https://evil",
            "https:app.example.org",
            "https:/app.example.org",
            "https:///app.example.org",
            "https:\\\\app.example.org",
            "https://app.example.org@evil",
            "https://@app.example.org",
            "https://me@app.example.org",
            "https://me:secret@app.example.org/x",
            "https://app.example.org.evil",
            "https://app.example.org.",
            "https://evil#app.example.org",
            "https://evil?app.example.org",
            "https://evil/app.example.org",
            "https://evil\\app.example.org",
            "https://app.example.org:8443",
            "https://app.example.org:99999",
            "https://аpp.example.org",
            "https://app.exаmple.org",
            "https://app。evil",
            "https://apps.example",
            "https://.apps.example",
            "https://xapps.example",
            "http://app.example.org",
            "http://one.apps.example",
            "http://localhost:3001",
            "javascript:alert(1)",
            "javascript://app.example.org/%0aalert(1)",
            "data:text/html,x",
            "ftp://app.example.org",
            "blob:https://app.example.org/x",
            " https://app.example.org",
            "https://app.example.org ",
            "https://app.exam\tple.org",
            "\u{feff}/account/tokens",
            "/login",
            "/login?rd=/x",
            "/login/verify",
            "/logout",
            "/%6Cogin",
            "/./login",
            "https://auth.example.org/logout",
            "https://auth.example.org//evil",
        ] {
            assert_eq!(of(text), DEFAULT, "{text}");
        }
        assert_eq!(of(&format!("/{}", "x".repeat(LONGEST - 1))).len(), LONGEST);
        assert_eq!(of(&format!("/{}", "x".repeat(LONGEST))), DEFAULT);
    }

    #[test]
    fn two_places_are_none() {
        for query in ["rd=/a&rd=/b", "rd=/a&rd=/a", "rd=/a&return_to=/b", "return_to=/a&return_to=/b", "rd=/a&rd="] {
            assert_eq!(asked(query), NextPlace::Account, "{query}");
        }
    }

    #[test]
    fn people_and_forms_are_told_where_else_it_leads() {
        let destination = asked("rd=http://localhost:3000/x");
        assert_eq!(
            (destination.host().as_deref(), destination.origin().as_deref()),
            (Some("localhost:3000"), Some("http://localhost:3000"))
        );
        assert_eq!(destination.after("/login"), "/login?rd=http%3A%2F%2Flocalhost%3A3000%2Fx");
        let own = asked("rd=/register");
        assert_eq!(
            (own.host(), own.origin(), own.after("/login/verify")),
            (None, None, "/login/verify?rd=%2Fregister".to_owned())
        );
        assert_eq!(NextPlace::Account.after("/login"), "/login");
    }

    proptest! {
        #[test]
        fn nobody_is_led_to_a_host_that_is_not_listed(
            text in "(https?:|//|/|\\\\|[a-z.@:#?%0-9]|evil|app\\.example\\.org|\\.\\.|\t){1,12}",
        ) {
            // As a browser at the sign-in page reads it.
            let base = Url::parse("https://auth.example.org/login").unwrap();
            let read = base.join(&of(&text)).unwrap();
            let known = ["auth.example.org", "app.example.org", "localhost"];
            let host = read.host_str().unwrap();
            prop_assert!(known.contains(&host) || host.ends_with(".apps.example"), "{text} leads to {read}");
        }
    }
}
