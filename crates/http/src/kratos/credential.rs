//! Where this dialect looks for a credential (`docs/API-KRATOS.md`).

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::request::cookie::SessionCookie;
use crate::request::credential::{Credential, bearing, in_authorization, in_cookie};

const X_SESSION_TOKEN: HeaderName = HeaderName::from_static("x-session-token");

/// `X-Session-Token`, else the cookie, else `Authorization`. The first that is there counts, however bad it is.
pub(super) fn of_user(headers: &HeaderMap, cookie: &SessionCookie) -> Credential {
    let own = bearing(headers, &X_SESSION_TOKEN);
    own.or_else(|| in_cookie(headers, cookie)).or_else(|| in_authorization(headers))
}

/// `Authorization`, with or without `Bearer`: what the published clients send as their API key.
pub(super) fn of_staff(headers: &HeaderMap, _cookie: &SessionCookie) -> Credential {
    in_authorization(headers)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn shown(find: fn(&HeaderMap, &SessionCookie) -> Credential, lines: &[(&str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        match find(&headers, &SessionCookie::Secure) {
            Credential::Token { text, by_cookie } => format!("{} {by_cookie}", text.expose()),
            other => format!("{other:?}"),
        }
    }

    const HEADER: (&str, &str) = ("x-session-token", "header");
    const COOKIE: (&str, &str) = ("cookie", "__Host-thunderhead_session=cookie");
    const AUTHORIZATION: (&str, &str) = ("authorization", "Bearer authorization");

    #[test]
    fn the_header_wins_over_the_cookie_and_the_cookie_over_authorization() {
        assert_eq!(shown(of_user, &[AUTHORIZATION, COOKIE, HEADER]), "header false");
        assert_eq!(shown(of_user, &[AUTHORIZATION, COOKIE]), "cookie true");
        assert_eq!(shown(of_user, &[AUTHORIZATION]), "authorization false");
        assert_eq!(shown(of_user, &[]), "Nothing");
        assert_eq!(shown(of_user, &[("x-session-token", "ory_st_x")]), "x false");
    }

    #[test]
    fn a_bad_credential_is_not_rescued_by_a_good_one() {
        for bad in ["", "a b"] {
            assert_eq!(
                shown(of_user, &[("x-session-token", bad), COOKIE, AUTHORIZATION]),
                "Unreadable { by_cookie: false }",
                "{bad:?}"
            );
        }
        assert_eq!(shown(of_user, &[HEADER, HEADER, COOKIE]), "Ambiguous");
        assert_eq!(
            shown(of_user, &[("cookie", "__Host-thunderhead_session="), AUTHORIZATION]),
            "Unreadable { by_cookie: true }"
        );
    }

    #[test]
    fn staff_show_theirs_in_authorization_alone() {
        assert_eq!(shown(of_staff, &[HEADER, COOKIE, AUTHORIZATION]), "authorization false");
        assert_eq!(shown(of_staff, &[("authorization", "bare")]), "bare false");
        assert_eq!(shown(of_staff, &[HEADER, COOKIE]), "Nothing");
    }
}
