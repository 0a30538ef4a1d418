//! Where people are led, and moments in addresses.

use std::sync::LazyLock;

use actix_web::test::TestRequest;
use url::Url;

use crate::pages::redirect::{LONGEST, NextPlace};
use crate::request::moment::moment;
use crate::request::query::{flag, page, page_in_any_case, text as text_of, texts};
use crate::site::PageSettings;
use crate::site::redirect_origins::RedirectOrigins;

/// A sign-in page, and the applications that it may lead to.
static SITE: LazyLock<Option<PageSettings>> = LazyLock::new(|| {
    let origins = ["https://app.example.org", "https://*.apps.example", "http://localhost:3000"].map(str::to_owned);
    Some(PageSettings {
        public_url: "https://auth.example.org".parse().ok()?,
        staff: true,
        redirects: RedirectOrigins::new(&origins).ok()?,
        pass_domain: None,
        name: String::new(),
        logo: None,
        css: None,
    })
});

/// Nobody is led to a host that is not listed, as a browser reads the address; and what was read once is read again as
/// the same.
pub fn redirect(data: &[u8]) {
    assert!(SITE.is_some(), "there is no site");
    let (Ok(text), Some(site)) = (str::from_utf8(data), &*SITE) else { return };
    let place = asked(text, site);
    let location = place.location();
    assert!(!location.contains(|character: char| character.is_control() || character == '\\'), "{text:?}");
    let Ok(read) = Url::parse("https://auth.example.org/login").and_then(|base| base.join(location)) else {
        assert_eq!(location, "", "no browser is led by it: {text:?}");
        return;
    };
    let host = read.host_str().unwrap_or_default();
    let known = match read.scheme() {
        "https" => matches!(host, "auth.example.org" | "app.example.org") || host.ends_with(".apps.example"),
        "http" => host == "localhost" && read.port() == Some(3_000),
        _ => false,
    };
    assert!(known && read.username().is_empty() && read.password().is_none(), "{text:?} leads to {read}");
    let elsewhere = host != "auth.example.org";
    assert_eq!(place.host().is_some(), elsewhere, "{text:?} leads to {read}, and people are told {:?}", place.host());
    if location.len() <= LONGEST {
        assert_eq!(asked(location, site).location(), location, "{text:?}");
    }
}

fn asked(text: &str, site: &PageSettings) -> NextPlace {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("rd", text).finish();
    NextPlace::of(&TestRequest::with_uri(&format!("/login?{query}")).to_http_request(), site)
}

/// A moment that is read is the one that is written, to the millisecond. No query asks for more than a page may hold.
pub fn query(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Some(at) = moment(text) {
        // What the form has no room for is written as the first or the last moment that it has.
        let written = at.to_string();
        assert_eq!(moment(&written).map(|again| again.to_string()), Some(written), "{text:?}");
    }
    let Ok(uri) = format!("/x?{text}").parse::<actix_web::http::Uri>() else { return };
    let request = TestRequest::with_uri(&uri.to_string()).to_http_request();
    assert!(page(&request).limit <= 50 && page_in_any_case(&request).limit <= 50, "{text:?}");
    let values = texts(&request, "a");
    assert_eq!(text_of(&request, "a").as_ref(), values.first(), "{text:?}");
    let is_set = values.first().is_some_and(|value| value == "true" || value == "1");
    assert_eq!(flag(&request, &["a"]), is_set, "{text:?}");
}
