//! Where `GET /forward-auth` looks for a credential, and in which order: a setting, because the requests that it is
//! asked about are an application's, which may use `Authorization` for itself.

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::request::cookie::SessionCookie;
use crate::request::credential::{Credential, bearing, in_authorization, in_cookie};

const X_SESSION_TOKEN: HeaderName = HeaderName::from_static("x-session-token");

/// The places, the first of which that holds anything counts: however bad that is, the others are not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialOrder(Vec<Place>);

/// One place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Authorization,
    Token,
    Cookie,
}

impl Place {
    const ALL: [Self; 3] = [Self::Authorization, Self::Token, Self::Cookie];

    const fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Token => "token",
            Self::Cookie => "cookie",
        }
    }

    fn credential(self, headers: &HeaderMap, cookie: &SessionCookie) -> Credential {
        match self {
            Self::Authorization => in_authorization(headers),
            Self::Token => bearing(headers, &X_SESSION_TOKEN),
            Self::Cookie => in_cookie(headers, cookie),
        }
    }
}

/// A list that is no order of places.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredentialOrder {
    /// There is no such place.
    #[error("expected some of authorization, token and cookie, not {0:?}")]
    Unknown(String),
    /// A place stands there twice.
    #[error("{0} stands there twice")]
    Twice(&'static str),
    /// Nobody could show anything.
    #[error("expected at least one of authorization, token and cookie")]
    Empty,
}

impl CredentialOrder {
    /// The places of these names, each at most once.
    ///
    /// # Errors
    /// [`InvalidCredentialOrder`]
    pub fn new(names: &[String]) -> Result<Self, InvalidCredentialOrder> {
        let mut places = Vec::with_capacity(names.len());
        for name in names {
            let place = Place::ALL.into_iter().find(|place| place.name() == name);
            let place = place.ok_or_else(|| InvalidCredentialOrder::Unknown(name.clone()))?;
            if places.contains(&place) {
                return Err(InvalidCredentialOrder::Twice(place.name()));
            }
            places.push(place);
        }
        if places.is_empty() { Err(InvalidCredentialOrder::Empty) } else { Ok(Self(places)) }
    }

    /// The names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|place| place.name())
    }

    /// What a request shows.
    pub(crate) fn credential(&self, headers: &HeaderMap, cookie: &SessionCookie) -> Credential {
        let nothing = Credential::Nothing;
        self.0.iter().fold(nothing, |found, place| found.or_else(|| place.credential(headers, cookie)))
    }
}

impl Default for CredentialOrder {
    fn default() -> Self {
        Self(Place::ALL.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn order(names: &[&str]) -> Result<CredentialOrder, InvalidCredentialOrder> {
        CredentialOrder::new(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    fn shown(order: &CredentialOrder, lines: &[(&str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        match order.credential(&headers, &SessionCookie::Secure) {
            Credential::Token { text, by_cookie } => format!("{} {by_cookie}", text.expose()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn an_order_names_places_each_once() {
        assert_eq!(order(&["authorization", "token", "cookie"]), Ok(CredentialOrder::default()));
        assert_eq!(order(&["cookie", "token"]).unwrap().names().collect::<Vec<_>>(), ["cookie", "token"]);
        assert_eq!(order(&[]), Err(InvalidCredentialOrder::Empty));
        assert_eq!(order(&["token", "token"]), Err(InvalidCredentialOrder::Twice("token")));
        for unknown in ["", "Cookie", "pass", "cookies", " token"] {
            let error = order(&["token", unknown]).unwrap_err();
            assert_eq!(error, InvalidCredentialOrder::Unknown(unknown.to_owned()));
            assert!(Place::ALL.iter().all(|place| error.to_string().contains(place.name())), "{error}");
        }
    }

    #[test]
    fn the_first_place_that_holds_anything_counts_and_what_is_left_out_is_not_read() {
        let authorization = ("authorization", "Basic YTpi");
        let token = ("x-session-token", "header");
        let cookie = ("cookie", "__Host-thunderhead_session=cookie");
        let all = [cookie, token, authorization];
        assert_eq!(shown(&CredentialOrder::default(), &all), "Unreadable { by_cookie: false }");
        assert_eq!(shown(&CredentialOrder::default(), &all[..2]), "header false");
        assert_eq!(shown(&CredentialOrder::default(), &all[..1]), "cookie true");
        assert_eq!(shown(&CredentialOrder::default(), &[]), "Nothing");
        assert_eq!(shown(&order(&["token", "cookie"]).unwrap(), &[authorization, cookie]), "cookie true");
        assert_eq!(shown(&order(&["cookie", "authorization"]).unwrap(), &all), "cookie true");
        assert_eq!(shown(&order(&["authorization"]).unwrap(), &all[..2]), "Nothing");
    }
}
