//! Where `GET /forward-auth` looks for a credential, and in which order: a setting, because the requests that it is
//! asked about are an application's, which may use `Authorization` for itself.

use crate::request::credential::CredentialPlace;

/// The places, the first of which that holds anything counts: however bad that is, the others are not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialOrder(Vec<CredentialPlace>);

/// A list that is no order of places.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredentialOrder {
    /// There is no such place.
    #[error("expected some of authorization, token, cookie and pass, not {0:?}")]
    Unknown(String),
    /// A place stands there twice.
    #[error("{0} stands there twice")]
    Twice(&'static str),
    /// Nobody could show anything.
    #[error("expected at least one of authorization, token, cookie and pass")]
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
            let place = CredentialPlace::ALL.into_iter().find(|place| place.name() == name);
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

    /// Those that can hold something. Where there is no domain for passes, there are none.
    pub(crate) fn places(&self, passes: bool) -> Vec<CredentialPlace> {
        self.0.iter().copied().filter(|place| passes || *place != CredentialPlace::Pass).collect()
    }
}

impl Default for CredentialOrder {
    fn default() -> Self {
        Self(CredentialPlace::ALL.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::shown;

    fn order(names: &[&str]) -> Result<CredentialOrder, InvalidCredentialOrder> {
        CredentialOrder::new(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn an_order_names_places_each_once() {
        assert_eq!(order(&["authorization", "token", "cookie", "pass"]), Ok(CredentialOrder::default()));
        assert_eq!(order(&["cookie", "token"]).unwrap().names().collect::<Vec<_>>(), ["cookie", "token"]);
        assert_eq!(order(&[]), Err(InvalidCredentialOrder::Empty));
        assert_eq!(order(&["token", "token"]), Err(InvalidCredentialOrder::Twice("token")));
        for unknown in ["", "Cookie", "passes", "cookies", " token"] {
            let error = order(&["token", unknown]).unwrap_err();
            assert_eq!(error, InvalidCredentialOrder::Unknown(unknown.to_owned()));
            assert!(CredentialPlace::ALL.iter().all(|place| error.to_string().contains(place.name())), "{error}");
        }
    }

    #[test]
    fn the_first_place_that_holds_anything_counts_and_what_is_left_out_is_not_read() {
        let authorization = ("authorization", "Basic YTpi");
        let token = ("x-session-token", "header");
        let cookie = ("cookie", "__Host-thunderhead_session=cookie");
        let all = [cookie, token, authorization];
        assert_eq!(shown(&CredentialOrder::default().places(true), &all), "Unreadable { by_cookie: false }");
        assert_eq!(shown(&CredentialOrder::default().places(true), &all[..2]), "header false");
        assert_eq!(shown(&CredentialOrder::default().places(true), &all[..1]), "cookie true");
        assert_eq!(shown(&CredentialOrder::default().places(true), &[]), "Nothing");
        assert_eq!(shown(&order(&["token", "cookie"]).unwrap().places(true), &[authorization, cookie]), "cookie true");
        assert_eq!(shown(&order(&["cookie", "authorization"]).unwrap().places(true), &all), "cookie true");
        assert_eq!(shown(&order(&["authorization"]).unwrap().places(true), &all[..2]), "Nothing");
        let pass = ("cookie", "a=b; __Secure-thunderhead_pass=pass");
        assert_eq!(shown(&CredentialOrder::default().places(true), &[pass]), "Pass(TokenText(…))");
        assert_eq!(shown(&CredentialOrder::default().places(true), &[pass, cookie]), "cookie true");
        assert_eq!(shown(&CredentialOrder::default().places(true), &[pass, pass]), "Ambiguous");
        let empty = ("cookie", "__Secure-thunderhead_pass=");
        assert_eq!(shown(&CredentialOrder::default().places(true), &[empty]), "Unreadable { by_cookie: true }");
        assert_eq!(shown(&CredentialOrder::default().places(false), &[pass]), "Nothing");
    }
}
