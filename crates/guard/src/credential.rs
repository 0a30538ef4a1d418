//! The credential of a request, whatever the framework: the one token that it carries, or why there is none.

use crate::error::GuardError;

/// A request's head, as a framework has it.
pub trait RequestHead {
    /// The method, in capitals.
    fn method(&self) -> &str;

    /// The values of all headers of this name, which is in small letters, in order.
    fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]>;
}

/// A cookie that may carry the token, and whose pages may make changes with it.
#[derive(Clone, Debug)]
pub(crate) struct SessionCookieRule {
    pub(crate) name: String,
    /// As browsers spell them in `Origin`.
    pub(crate) origins: Vec<String>,
}

/// None, one, or several: who looks at one of several may look at another one than somebody else does.
enum Sole<'a> {
    Nothing,
    One(&'a [u8]),
    Several,
}

fn sole<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Sole<'a> {
    match (values.next(), values.next()) {
        (None, _) => Sole::Nothing,
        (Some(value), None) => Sole::One(value),
        (Some(_), Some(_)) => Sole::Several,
    }
}

/// The token in `Authorization: Bearer`; where there is no such header, in the cookie, if one is taken.
///
/// # Errors
/// [`GuardError::NoCredential`], [`GuardError::Malformed`], and for cookies [`GuardError::CrossSite`].
pub(crate) fn token<'a>(head: &'a impl RequestHead, cookie: Option<&SessionCookieRule>) -> Result<&'a str, GuardError> {
    match (sole(head.values("authorization")), cookie) {
        (Sole::One(value), _) => bearer(value).ok_or(GuardError::Malformed),
        (Sole::Several, _) => Err(GuardError::Malformed),
        (Sole::Nothing, None) => Err(GuardError::NoCredential),
        (Sole::Nothing, Some(rule)) => {
            let token = in_cookie(head, &rule.name)?;
            if is_same_origin(head, &rule.origins) { Ok(token) } else { Err(GuardError::CrossSite) }
        }
    }
}

fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

fn in_cookie<'a>(head: &'a impl RequestHead, name: &str) -> Result<&'a str, GuardError> {
    let pairs = head.values("cookie").flat_map(|line| line.split(|byte| *byte == b';'));
    let named = pairs.filter_map(|pair| {
        let pair = pair.trim_ascii();
        pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
    });
    match sole(named) {
        Sole::Nothing => Err(GuardError::NoCredential),
        Sole::One(value) => std::str::from_utf8(value).map_err(|_| GuardError::Malformed),
        Sole::Several => Err(GuardError::Malformed),
    }
}

/// Browsers send a cookie along whichever site made them ask. So a change by a cookie, and a websocket's handshake, which
/// is a GET that any site can make, must come from this origin or one that is listed. What says nothing of where it comes
/// from is no browser's.
fn is_same_origin(head: &impl RequestHead, origins: &[String]) -> bool {
    let upgrades = head.values("upgrade").next().is_some();
    if !upgrades && matches!(head.method(), "GET" | "HEAD" | "OPTIONS") {
        return true;
    }
    let listed = |origin: &[u8]| origins.iter().any(|listed| listed.as_bytes() == origin);
    match (sole(head.values("sec-fetch-site")), sole(head.values("origin"))) {
        (Sole::Nothing, Sole::Nothing) => true,
        (Sole::One(b"same-origin" | b"none"), _) => true,
        (_, Sole::One(origin)) => listed(origin),
        (_, Sole::Nothing | Sole::Several) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Head<'a>(&'a str, &'a [(&'a str, &'a str)]);

    impl RequestHead for Head<'_> {
        fn method(&self) -> &str {
            self.0
        }

        fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
            self.1.iter().filter(move |(own, _)| *own == name).map(|(_, value)| value.as_bytes())
        }
    }

    fn rule() -> SessionCookieRule {
        SessionCookieRule { name: "session".to_owned(), origins: vec!["https://app.example".to_owned()] }
    }

    #[test]
    fn the_one_token_of_a_request_is_its_credential() {
        use GuardError::{Malformed, NoCredential};
        let (bearer, cookie) = ("authorization", "cookie");
        for (headers, alone, with_cookie) in [
            (&[][..], Err(NoCredential), Err(NoCredential)),
            (&[(bearer, "Bearer abc")], Ok("abc"), Ok("abc")),
            (&[(bearer, "bEARER  abc ")], Ok("abc"), Ok("abc")),
            (&[(bearer, "abc")], Err(Malformed), Err(Malformed)),
            (&[(bearer, "Basic abc")], Err(Malformed), Err(Malformed)),
            (&[(bearer, "Bearer a"), (bearer, "Bearer b")], Err(Malformed), Err(Malformed)),
            (&[(cookie, "a=b; session=abc;c=d")], Err(NoCredential), Ok("abc")),
            (&[(cookie, "asession=abc; session2=x")], Err(NoCredential), Err(NoCredential)),
            (&[(cookie, "session=a; session=b")], Err(NoCredential), Err(Malformed)),
            (&[(cookie, "session=a"), (cookie, "session=a")], Err(NoCredential), Err(Malformed)),
            // What is there counts, however bad it is.
            (&[(bearer, "Basic x"), (cookie, "session=abc")], Err(Malformed), Err(Malformed)),
        ] {
            let head = Head("GET", headers);
            assert_eq!(token(&head, None), alone, "{headers:?}");
            assert_eq!(token(&head, Some(&rule())), with_cookie, "{headers:?}");
        }
    }

    #[test]
    fn a_change_by_a_cookie_must_not_come_from_elsewhere() {
        let (site, origin) = ("sec-fetch-site", "origin");
        for (method, headers, passes) in [
            ("GET", &[(site, "cross-site")][..], true),
            ("GET", &[("upgrade", "websocket"), (origin, "https://evil.example")], false),
            ("GET", &[("upgrade", "websocket"), (origin, "https://app.example")], true),
            ("POST", &[], true),
            ("POST", &[(site, "same-origin")], true),
            ("POST", &[(site, "none")], true),
            ("POST", &[(site, "same-site")], false),
            ("POST", &[(site, "cross-site"), (origin, "https://app.example")], true),
            ("POST", &[(site, "cross-site"), (origin, "https://evil.example")], false),
            ("POST", &[(origin, "null")], false),
            ("POST", &[(origin, "https://app.example"), (origin, "https://evil.example")], false),
            ("DELETE", &[(origin, "https://app.example.evil")], false),
        ] {
            let all = [&[("cookie", "session=abc")], headers].concat();
            let expected = if passes { Ok("abc") } else { Err(GuardError::CrossSite) };
            assert_eq!(token(&Head(method, &all), Some(&rule())), expected, "{method} {headers:?}");
        }
        // A header is sent by nobody who was not told the token.
        let head = [("authorization", "Bearer abc"), (site, "cross-site")];
        assert_eq!(token(&Head("POST", &head), Some(&rule())), Ok("abc"));
    }
}
