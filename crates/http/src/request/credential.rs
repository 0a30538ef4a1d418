//! Finding the credential of a request in the current dialect (`docs/MODEL.md`, *How a request is
//! authorized*), and the same-origin rule for cookies (`docs/API-KRATOS.md`).

use std::fmt;

use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, ORIGIN};

use crate::middleware::cors::Origins;
use crate::request::cookie::SessionCookie;

const BEARER: &[u8] = b"bearer";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a request offers to say who makes it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Nothing.
    Nothing,
    /// Two of a kind, of which none is taken.
    Ambiguous,
    /// Something that is no token: empty, not text, or of another scheme.
    Unreadable {
        /// Whether it came by cookie.
        by_cookie: bool,
    },
    /// Something that may be a token.
    Token {
        /// Its text.
        text: TokenText,
        /// Whether it came by cookie, so that the same-origin rule applies.
        by_cookie: bool,
    },
}

impl Credential {
    /// This one, or where there is none at all another one.
    pub(crate) fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        if self == Self::Nothing { other() } else { self }
    }

    /// Whether it came by cookie, so that the same-origin rule applies.
    pub(crate) const fn is_cookie(&self) -> bool {
        matches!(self, Self::Token { by_cookie: true, .. } | Self::Unreadable { by_cookie: true })
    }
}

/// A token as the client sent it. Whoever has it has the session, so it stays out of logs.
#[derive(PartialEq, Eq)]
pub(crate) struct TokenText(String);

impl TokenText {
    /// The text, to be verified.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

/// The credential of a request: `Authorization`, else the cookie. A bad `Authorization` is not rescued by a
/// good cookie.
pub(crate) fn credential(headers: &HeaderMap, cookie: &SessionCookie) -> Credential {
    in_authorization(headers).or_else(|| in_cookie(headers, cookie))
}

/// The token in `Authorization`, bare or behind `Bearer`.
pub(crate) fn in_authorization(headers: &HeaderMap) -> Credential {
    read(sole(headers.get_all(AUTHORIZATION)), authorization_token, false)
}

/// The token in the session cookie.
pub(crate) fn in_cookie(headers: &HeaderMap, cookie: &SessionCookie) -> Credential {
    read(sole(cookies(headers, cookie.name())), |value| plain_token(value), true)
}

/// A token without what clients of Ory Kratos may put before it.
pub(crate) fn bare(text: &str) -> &str {
    text.strip_prefix("ory_st_").unwrap_or(text)
}

/// The token that a header of its own bears, bare.
pub(crate) fn bearing(headers: &HeaderMap, name: &HeaderName) -> Credential {
    read(sole(headers.get_all(name)), |value| plain_token(value.as_bytes().trim_ascii()).map(bare), false)
}

fn read<'a, T>(found: Sole<T>, token: impl FnOnce(T) -> Option<&'a str>, by_cookie: bool) -> Credential {
    match found {
        Sole::Nothing => Credential::Nothing,
        Sole::Several => Credential::Ambiguous,
        Sole::One(value) => token(value).map_or(Credential::Unreadable { by_cookie }, |text| Credential::Token {
            text: TokenText(text.to_owned()),
            by_cookie,
        }),
    }
}

/// Whether a request whose credential is a cookie may do what it asks. Reading is harmless; a change needs the
/// browser's word that it comes from this site or from a configured origin. A request without such a word
/// comes from no browser, but from a server that passes the cookie on.
pub(crate) fn is_same_origin(method: &Method, headers: &HeaderMap, origins: &Origins) -> bool {
    is_safe(method) || matches!(site_word(headers, origins), SiteWord::Same | SiteWord::Nothing)
}

/// Whether a method only reads (RFC 9110, section 9.2.1).
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What a browser says of the page that made it ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SiteWord {
    /// Nothing.
    Nothing,
    /// It is of this site, or of a configured origin, or there is none.
    Same,
    /// Its origin, which is not configured, and not whether that is this site's.
    OriginAlone,
    /// It is of another one, or what is said of it is not clear.
    Other,
}

/// The browser's word in `Sec-Fetch-Site` and `Origin`.
pub(crate) fn site_word(headers: &HeaderMap, origins: &Origins) -> SiteWord {
    let site = sole(headers.get_all(SEC_FETCH_SITE));
    let origin = sole(headers.get_all(ORIGIN));
    match (site, origin) {
        (Sole::Nothing, Sole::Nothing) => SiteWord::Nothing,
        (Sole::One(site), _) if matches!(site.as_bytes(), b"same-origin" | b"none") => SiteWord::Same,
        (_, Sole::One(origin)) if origins.contains(origin) => SiteWord::Same,
        (Sole::Nothing, Sole::One(_)) => SiteWord::OriginAlone,
        (_, Sole::Nothing | Sole::One(_) | Sole::Several) => SiteWord::Other,
    }
}

/// How many there are.
enum Sole<T> {
    Nothing,
    One(T),
    Several,
}

fn sole<T>(mut values: impl Iterator<Item = T>) -> Sole<T> {
    match (values.next(), values.next()) {
        (None, _) => Sole::Nothing,
        (Some(value), None) => Sole::One(value),
        (Some(_), Some(_)) => Sole::Several,
    }
}

/// The bare token, or what follows `Bearer`.
fn authorization_token(value: &HeaderValue) -> Option<&str> {
    let text = value.as_bytes().trim_ascii();
    let Some((scheme, rest)) = text.split_at_checked(BEARER.len()) else { return plain_token(text) };
    if !scheme.eq_ignore_ascii_case(BEARER) {
        return plain_token(text);
    }
    match rest.first() {
        None => None,
        Some(byte) if byte.is_ascii_whitespace() => plain_token(rest.trim_ascii_start()),
        Some(_) => plain_token(text),
    }
}

/// A token is made of visible ASCII. All of it is looked at, whatever the first bytes are: that goes many at a time.
fn plain_token(text: &[u8]) -> Option<&str> {
    let fit = !text.is_empty() && text.iter().fold(true, |fit, byte| fit & byte.is_ascii_graphic());
    if fit { str::from_utf8(text).ok() } else { None }
}

/// The values of all cookies of this name (RFC 6265, section 5.4). Other cookies may hold any bytes.
fn cookies<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = headers.get_all(COOKIE).flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?.trim_ascii_start();
        Some(rest.strip_prefix(b"=")?.trim_ascii_start())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse().unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    fn found(lines: &[(&str, &[u8])]) -> Credential {
        credential(&headers(lines), &SessionCookie::Secure)
    }

    fn token(text: &str, by_cookie: bool) -> Credential {
        Credential::Token { text: TokenText(text.to_owned()), by_cookie }
    }

    #[test]
    fn authorization_carries_the_token_bare_or_as_bearer() {
        for value in ["a.b.c", " a.b.c\t", "Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c ", "Bearer\ta.b.c"] {
            assert_eq!(found(&[("authorization", value.as_bytes())]), token("a.b.c", false), "{value:?}");
        }
    }

    #[test]
    fn what_is_no_token_is_unreadable_even_beside_a_good_cookie() {
        let values: [&[u8]; 9] = [
            b"",
            b"  ",
            b"Bearer",
            b"bearer  ",
            b"Basic YTpi",
            b"Bearer a b",
            b"a b",
            b"Bearer \xff",
            "Bearer ä".as_bytes(),
        ];
        for value in values {
            assert_eq!(found(&[("authorization", value)]), Credential::Unreadable { by_cookie: false }, "{value:?}");
            let cookie: (&str, &[u8]) = ("cookie", b"__Host-thunderhead_session=good");
            assert_eq!(
                found(&[("authorization", value), cookie]),
                Credential::Unreadable { by_cookie: false },
                "{value:?}"
            );
        }
    }

    #[test]
    fn the_cookie_is_found_among_others_and_authorization_wins() {
        let values: [&[u8]; 4] = [
            b"__Host-thunderhead_session=good",
            b"a=\xff; __Host-thunderhead_session=good; c",
            b";;=;x__Host-thunderhead_session=bad;__Host-thunderhead_session = good ;",
            b"__Host-thunderhead_session2=bad; __Host-thunderhead_session=good; __host-thunderhead_session=bad",
        ];
        for value in values {
            assert_eq!(found(&[("cookie", value)]), token("good", true), "{value:?}");
            assert_eq!(found(&[("cookie", value), ("authorization", b"other")]), token("other", false), "{value:?}");
        }
        assert_eq!(found(&[("cookie", b"__Host-thunderhead_session=")]), Credential::Unreadable { by_cookie: true });
        assert_eq!(found(&[("cookie", b"__Host-thunderhead_session=a b")]), Credential::Unreadable { by_cookie: true });
        assert_eq!(found(&[("cookie", b"__Host-thunderhead_session")]), Credential::Nothing);
    }

    #[test]
    fn two_of_a_kind_are_ambiguous_even_if_they_are_equal() {
        assert_eq!(found(&[("authorization", b"a"), ("authorization", b"a")]), Credential::Ambiguous);
        let one: &[u8] = b"__Host-thunderhead_session=a";
        assert_eq!(found(&[("cookie", one), ("cookie", one)]), Credential::Ambiguous);
        let both: &[u8] = b"__Host-thunderhead_session=a; __Host-thunderhead_session=a";
        assert_eq!(found(&[("cookie", both)]), Credential::Ambiguous);
    }

    #[test]
    fn no_credential_is_nothing_and_other_headers_are_not_read() {
        assert_eq!(found(&[]), Credential::Nothing);
        assert_eq!(found(&[("x-session-token", b"a"), ("cookie", b"a=b")]), Credential::Nothing);
    }

    #[test]
    fn a_token_is_not_printed() {
        assert!(!format!("{:?}", token("secret", true)).contains("secret"));
    }

    #[test]
    fn changes_by_cookie_need_the_browsers_word_for_their_origin() {
        let origins = Origins::new(vec!["https://app.example".to_owned()]).unwrap();
        let passes = |method: Method, lines: &[(&str, &str)]| {
            let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            is_same_origin(&method, &headers(&lines), &origins)
        };
        let foreign = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(passes(method, &foreign));
        }
        for lines in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://this.example")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://app.example")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://app.example")],
            &[("origin", "https://app.example")],
        ] {
            assert!(passes(Method::POST, lines), "{lines:?}");
        }
        for lines in [
            &foreign[..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "Same-Origin")],
            &[("sec-fetch-site", "")],
            &[("sec-fetch-site", "none"), ("sec-fetch-site", "none")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "https://app.example.evil.example")],
            &[("origin", "https://app.example"), ("origin", "https://app.example")],
        ] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert!(!passes(method, lines), "{lines:?}");
            }
        }
    }
}
