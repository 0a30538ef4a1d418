//! The cookie with the pass, which browsers send to every application of a domain.

use std::borrow::Cow;

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};

/// What it is called: the prefix makes browsers insist on `Secure`.
pub(crate) const NAME: &str = "__Secure-thunderhead_pass";

/// The cookie that gives a browser a pass for so many seconds.
pub(crate) fn giving(pass: &str, domain: &str, seconds: i64) -> Cookie<'static> {
    cookie(pass.to_owned().into(), domain, seconds)
}

/// The cookie that takes it away.
pub(crate) fn clearing(domain: &str) -> Cookie<'static> {
    cookie("".into(), domain, 0)
}

fn cookie(value: Cow<'static, str>, domain: &str, seconds: i64) -> Cookie<'static> {
    Cookie::build(NAME, value)
        .domain(domain.to_owned())
        .path("/")
        .http_only(true)
        .secure(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(seconds))
        .finish()
}
