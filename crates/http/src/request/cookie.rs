//! The session cookie: set by the pages and by the browser login of the Kratos dialect, read by all
//! (`docs/API-KRATOS.md`).

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};

/// What the cookie is called, and whether browsers send it over plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionCookie {
    /// `__Host-thunderhead_session`: the prefix makes browsers insist on `Secure`, `Path=/` and no `Domain`.
    Secure,
    /// `thunderhead_session`, over plain HTTP too: for development alone.
    Plain,
}

impl SessionCookie {
    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secure => "__Host-thunderhead_session",
            Self::Plain => "thunderhead_session",
        }
    }

    /// The cookie that gives a browser a session for so many seconds.
    pub(crate) fn giving(self, token: &str, seconds: i64) -> Cookie<'static> {
        self.cookie(self.name(), token.to_owned().into(), Some(seconds))
    }

    /// The same until the browser is closed.
    pub(crate) fn giving_until_closed(self, token: &str) -> Cookie<'static> {
        self.cookie(self.name(), token.to_owned().into(), None)
    }

    /// The cookie that takes it away.
    pub(crate) fn clearing(self) -> Cookie<'static> {
        self.cookie(self.name(), "".into(), Some(0))
    }

    /// What another cookie of the same site is called.
    pub(crate) const fn notice_name(self) -> &'static str {
        match self {
            Self::Secure => "__Host-thunderhead_notice",
            Self::Plain => "thunderhead_notice",
        }
    }

    /// The cookie that has the next page say something, for so many seconds.
    pub(crate) fn notice(self, text: String, seconds: i64) -> Cookie<'static> {
        self.cookie(self.notice_name(), text.into(), Some(seconds))
    }

    fn cookie(self, name: &'static str, value: Cow<'static, str>, seconds: Option<i64>) -> Cookie<'static> {
        let mut cookie = Cookie::build(name, value)
            .path("/")
            .http_only(true)
            .secure(self == Self::Secure)
            .same_site(SameSite::Lax)
            .finish();
        cookie.set_max_age(seconds.map(Duration::seconds));
        cookie
    }
}

/// Has a response set a cookie.
pub(crate) fn set_cookie(response: &mut HttpResponse, cookie: &Cookie<'_>) {
    if let Err(error) = response.add_cookie(cookie) {
        tracing::error!(error = %error, cookie = cookie.name(), "a cookie was not set");
    }
}
