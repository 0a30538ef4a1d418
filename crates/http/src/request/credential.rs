//! Finding the credential of a request (`docs/MODEL.md`, *How a request is authorized*).

use std::fmt;

use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};

use crate::request::cookie::SessionCookie;
use crate::request::pass_cookie;

/// A header that may be there once.
pub(crate) enum Sole<T> {
    Nothing,
    One(T),
    Several,
}

/// How many there are.
pub(crate) fn sole<T>(mut values: impl Iterator<Item = T>) -> Sole<T> {
    match (values.next(), values.next()) {
        (None, _) => Sole::Nothing,
        (Some(value), None) => Sole::One(value),
        (Some(_), Some(_)) => Sole::Several,
    }
}

const BEARER: &[u8] = b"bearer";
const X_SESSION_TOKEN: HeaderName = HeaderName::from_static("x-session-token");

/// What a request offers to say who makes it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credential<'a> {
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
        text: TokenText<'a>,
        /// Whether it came by cookie, so that the same-origin rule applies.
        by_cookie: bool,
    },
    /// Something that may be a pass. It came by cookie.
    Pass(TokenText<'a>),
}

impl<'a> Credential<'a> {
    /// What the first of these places holds that holds anything: however bad that is, the others are not looked at.
    pub(crate) fn first_in(places: &[CredentialPlace], headers: &'a HeaderMap, cookie: &SessionCookie) -> Self {
        let found = places.iter().map(|place| place.credential(headers, cookie));
        found.into_iter().find(|credential| *credential != Self::Nothing).unwrap_or(Self::Nothing)
    }

    /// What may be a token, if that is what it is.
    pub(crate) fn into_token(self) -> Option<TokenText<'a>> {
        match self {
            Self::Token { text, .. } => Some(text),
            Self::Nothing | Self::Ambiguous | Self::Unreadable { .. } | Self::Pass(_) => None,
        }
    }

    /// Whether it came by cookie, so that the same-origin rule applies.
    pub(crate) const fn is_cookie(&self) -> bool {
        matches!(self, Self::Token { by_cookie: true, .. } | Self::Unreadable { by_cookie: true } | Self::Pass(_))
    }
}

/// A token as the client sent it. Whoever has it has the session, so it stays out of logs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenText<'a>(&'a str);

impl<'a> TokenText<'a> {
    pub(crate) const fn expose(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for TokenText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

/// Where a credential is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialPlace {
    /// `Authorization`, bare or behind `Bearer`.
    Authorization,
    Token,
    Cookie,
    /// The cookie with the pass, for what proxies ask alone.
    Pass,
}

impl CredentialPlace {
    pub(crate) const ALL: [Self; 4] = [Self::Authorization, Self::Token, Self::Cookie, Self::Pass];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Token => "token",
            Self::Cookie => "cookie",
            Self::Pass => "pass",
        }
    }

    fn credential<'a>(self, headers: &'a HeaderMap, cookie: &SessionCookie) -> Credential<'a> {
        match self {
            Self::Authorization => read(sole(headers.get_all(AUTHORIZATION)), authorization_token, false),
            Self::Token => {
                let found = sole(headers.get_all(X_SESSION_TOKEN));
                read(found, |value| plain_token(value.as_bytes().trim_ascii()).map(bare), false)
            }
            Self::Cookie => read(sole(cookies(headers, cookie.name())), |value| plain_token(value), true),
            Self::Pass => match read(sole(cookies(headers, pass_cookie::NAME)), |value| plain_token(value), true) {
                Credential::Token { text, .. } => Credential::Pass(text),
                other => other,
            },
        }
    }
}

/// A token without what clients of Ory Kratos may put before it.
pub(crate) fn bare(text: &str) -> &str {
    text.strip_prefix("ory_st_").unwrap_or(text)
}

fn read<'a, T>(found: Sole<T>, token: impl FnOnce(T) -> Option<&'a str>, by_cookie: bool) -> Credential<'a> {
    match found {
        Sole::Nothing => Credential::Nothing,
        Sole::Several => Credential::Ambiguous,
        Sole::One(value) => match token(value) {
            Some(text) => Credential::Token { text: TokenText(text), by_cookie },
            None => Credential::Unreadable { by_cookie },
        },
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
fn cookies<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let pairs = headers.get_all(COOKIE).flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?.trim_ascii_start();
        Some(rest.strip_prefix(b"=")?.trim_ascii_start())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::headers;

    fn found(lines: &[(&str, &[u8])]) -> Credential<'static> {
        let places = [CredentialPlace::Authorization, CredentialPlace::Cookie];
        Credential::first_in(&places, Box::leak(Box::new(headers(lines))), &SessionCookie::Secure)
    }

    fn token(text: &str, by_cookie: bool) -> Credential<'_> {
        Credential::Token { text: TokenText(text), by_cookie }
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
}
