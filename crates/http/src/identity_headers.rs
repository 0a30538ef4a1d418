//! What the headers are called by which `/forward-auth` tells who makes a request: a setting, because applications
//! expect them by names of their own, such as `Remote-User`.

use actix_web::http::header::HeaderName;

/// Names that mean something to whoever hands on an answer, or that every answer of ours has.
const TAKEN: [&str; 25] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "host",
    "keep-alive",
    "location",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-request-id",
    "x-session-token",
];

/// What one of them tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityHeader {
    /// The user's id.
    UserId,
    /// The user's name.
    UserName,
    /// Whether the session carries staff power.
    UserStaff,
    /// The session's id.
    SessionId,
    /// What the session may do.
    SessionScopes,
    /// When the session had last been proved.
    AuthTime,
    /// How it was proved.
    AuthMethods,
    /// How well it was proved.
    AuthLevel,
}

impl IdentityHeader {
    /// How many there are.
    pub const COUNT: usize = 8;
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::UserId,
        Self::UserName,
        Self::UserStaff,
        Self::SessionId,
        Self::SessionScopes,
        Self::AuthTime,
        Self::AuthMethods,
        Self::AuthLevel,
    ];

    /// The name of a header whose name nobody has set.
    pub const fn default_name(self) -> &'static str {
        match self {
            Self::UserId => "X-User-Id",
            Self::UserName => "X-User-Name",
            Self::UserStaff => "X-User-Staff",
            Self::SessionId => "X-Session-Id",
            Self::SessionScopes => "X-Session-Scopes",
            Self::AuthTime => "X-Auth-Time",
            Self::AuthMethods => "X-Auth-Methods",
            Self::AuthLevel => "X-Auth-Level",
        }
    }
}

/// A name that a header of ours cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentityHeader {
    /// No header can be called so, or it means something else.
    #[error("expected the name of a header that means nothing else, such as Remote-User, not {0:?}")]
    Impossible(String),
    /// Another one is called so.
    #[error("another one is called {0} too")]
    Twice(String),
}

/// The names of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeaders([HeaderName; IdentityHeader::COUNT]);

impl IdentityHeaders {
    /// These names, in the order of [`IdentityHeader::ALL`].
    ///
    /// # Errors
    /// The first that cannot be, and why.
    pub fn new(names: &[String; IdentityHeader::COUNT]) -> Result<Self, (IdentityHeader, InvalidIdentityHeader)> {
        let mut headers = Self::default();
        let mut before: Vec<HeaderName> = Vec::with_capacity(IdentityHeader::COUNT);
        for ((header, text), place) in IdentityHeader::ALL.into_iter().zip(names).zip(&mut headers.0) {
            let name = name(text).map_err(|invalid| (header, invalid))?;
            if before.contains(&name) {
                return Err((header, InvalidIdentityHeader::Twice(text.clone())));
            }
            before.push(name.clone());
            *place = name;
        }
        Ok(headers)
    }

    pub(crate) fn name(&self, header: IdentityHeader) -> HeaderName {
        let [user_id, user_name, user_staff, session_id, session_scopes, auth_time, auth_methods, auth_level] = &self.0;
        match header {
            IdentityHeader::UserId => user_id,
            IdentityHeader::UserName => user_name,
            IdentityHeader::UserStaff => user_staff,
            IdentityHeader::SessionId => session_id,
            IdentityHeader::SessionScopes => session_scopes,
            IdentityHeader::AuthTime => auth_time,
            IdentityHeader::AuthMethods => auth_methods,
            IdentityHeader::AuthLevel => auth_level,
        }
        .clone()
    }
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self([
            HeaderName::from_static("x-user-id"),
            HeaderName::from_static("x-user-name"),
            HeaderName::from_static("x-user-staff"),
            HeaderName::from_static("x-session-id"),
            HeaderName::from_static("x-session-scopes"),
            HeaderName::from_static("x-auth-time"),
            HeaderName::from_static("x-auth-methods"),
            HeaderName::from_static("x-auth-level"),
        ])
    }
}

fn name(text: &str) -> Result<HeaderName, InvalidIdentityHeader> {
    let name = HeaderName::from_bytes(text.as_bytes()).ok();
    let free = name.filter(|name| !TAKEN.contains(&name.as_str()));
    free.ok_or_else(|| InvalidIdentityHeader::Impossible(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(header: IdentityHeader, text: &str) -> Result<IdentityHeaders, (IdentityHeader, InvalidIdentityHeader)> {
        let name = |each: IdentityHeader| if each == header { text } else { each.default_name() }.to_owned();
        IdentityHeaders::new(&IdentityHeader::ALL.map(name))
    }

    #[test]
    fn each_has_a_name_of_its_own_that_can_be_another() {
        assert_eq!(with(IdentityHeader::UserId, "X-User-Id"), Ok(IdentityHeaders::default()));
        for header in IdentityHeader::ALL {
            let headers = with(header, "Remote-User").unwrap();
            for each in IdentityHeader::ALL {
                let expected = if each == header { "Remote-User" } else { each.default_name() };
                assert_eq!(headers.name(each).as_str(), expected.to_lowercase());
            }
        }
    }

    #[test]
    fn a_name_that_means_something_else_is_refused() {
        for text in
            ["", " ", "Remote User", "Remote-User:", "Ä", "Set-Cookie", "LOCATION", "Authorization", "x-request-id"]
        {
            let refused = Err((IdentityHeader::AuthTime, InvalidIdentityHeader::Impossible(text.to_owned())));
            assert_eq!(with(IdentityHeader::AuthTime, text), refused);
        }
        let twice = Err((IdentityHeader::AuthLevel, InvalidIdentityHeader::Twice("x-USER-id".to_owned())));
        assert_eq!(with(IdentityHeader::AuthLevel, "x-USER-id"), twice);
    }
}
