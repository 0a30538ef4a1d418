//! Requests as tests make them.

use actix_web::http::header::{HeaderMap, HeaderValue};

use crate::request::cookie::SessionCookie;
use crate::request::credential::{Credential, CredentialPlace};

pub(crate) fn headers<V: AsRef<[u8]>>(lines: &[(&str, V)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name.parse().unwrap(), HeaderValue::from_bytes(value.as_ref()).unwrap());
    }
    headers
}

/// The token that is found in these places, and whether a cookie carried it.
pub(crate) fn shown(places: &[CredentialPlace], lines: &[(&str, &str)]) -> String {
    match Credential::first_in(places, &headers(lines), &SessionCookie::Secure) {
        Credential::Token { text, by_cookie } => format!("{} {by_cookie}", text.expose()),
        other => format!("{other:?}"),
    }
}
