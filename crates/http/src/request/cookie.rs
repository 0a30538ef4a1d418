//! The session cookie: set by the browser login of the Kratos dialect, read by all (`docs/API-KRATOS.md`).

use std::borrow::Cow;

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
        self.cookie(token.to_owned().into(), seconds)
    }

    /// The cookie that takes it away.
    pub(crate) fn clearing(self) -> Cookie<'static> {
        self.cookie("".into(), 0)
    }

    fn cookie(self, value: Cow<'static, str>, seconds: i64) -> Cookie<'static> {
        Cookie::build(self.name(), value)
            .path("/")
            .http_only(true)
            .secure(self == Self::Secure)
            .same_site(SameSite::Lax)
            .max_age(Duration::seconds(seconds))
            .finish()
    }
}
