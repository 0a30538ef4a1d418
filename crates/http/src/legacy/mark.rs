//! What every response on the legacy dialect's paths carries, whoever made it: `Deprecation` (RFC 9745), a `Link` to
//! its successor (RFC 8288, RFC 5829), and the limits under the names that old programs read.

use actix_web::Error;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, LINK};
use thunderhead_domain::time::{Timestamp, seconds_rounded_up};

/// The dialect was never anything but deprecated here, so this is a date before the first version: 1 January 2026.
const SINCE: HeaderValue = HeaderValue::from_static("@1767225600");

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
/// The limits, in the names of today and in those of then.
const LIMITS: [(HeaderName, HeaderName); 2] = [
    (HeaderName::from_static("ratelimit-limit"), HeaderName::from_static("x-ratelimit-limit")),
    (HeaderName::from_static("ratelimit-remaining"), HeaderName::from_static("x-ratelimit-remaining")),
];
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// What the response to a request on one of these paths will carry.
pub(crate) struct Mark {
    successor: HeaderValue,
}

impl Mark {
    /// `None` for every other path.
    pub(crate) fn of(request: &ServiceRequest, base_path: &str) -> Option<Self> {
        // The path as the routes see it, with what needs no escape unescaped.
        let path = request.match_info().as_str().strip_prefix(base_path).filter(|rest| rest.starts_with('/'))?;
        let successor = successor(request.method(), path)?;
        let link = format!("<{base_path}{successor}>; rel=\"successor-version\"");
        Some(Self { successor: HeaderValue::try_from(link).ok()? })
    }

    /// Marks an answer that is given now, an error included.
    pub(crate) fn put_on<B>(
        self,
        answer: Result<ServiceResponse<B>, Error>,
        now: Timestamp,
    ) -> Result<ServiceResponse<B>, Error> {
        match answer {
            Ok(mut response) => {
                self.write(response.headers_mut(), now);
                Ok(response)
            }
            Err(mut error) => {
                error.add_response_mapper(move |mut response| {
                    self.write(response.headers_mut(), now);
                    response
                });
                Err(error)
            }
        }
    }

    fn write(&self, headers: &mut HeaderMap, now: Timestamp) {
        headers.insert(DEPRECATION, SINCE);
        headers.insert(LINK, self.successor.clone());
        for (name, old_name) in LIMITS {
            if let Some(value) = headers.get(name).cloned() {
                headers.insert(old_name, value);
            }
        }
        // Today it is seconds from now; then it was the moment itself, in Unix seconds.
        let seconds = headers.get(RESET).and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(seconds) = seconds {
            let ends = now.plus_seconds(seconds);
            headers.insert(X_RESET, HeaderValue::from(seconds_rounded_up(ends.unix_millis())));
        }
    }
}

/// Where the current dialect, below its base path, does what this path does. What there never was is succeeded by the
/// dialect as a whole. `None` where the path is not this dialect's.
fn successor(method: &Method, path: &str) -> Option<String> {
    // Slashes at the end, and doubled ones, mean nothing.
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let own = match parts.as_slice() {
        ["user", rest @ ..] if matches!(rest, ["session", ..] | ["sessions", ..]) => rest,
        parts => parts,
    };
    Some(match own {
        ["session"] if *method == Method::POST => "/login".to_owned(),
        ["session"] => "/users/me/sessions/me".to_owned(),
        ["session", id] if is_number(id) => format!("/users/me/sessions/{id}"),
        ["sessions"] | ["session", _] => "/users/me/sessions".to_owned(),
        ["sessions", "all"] => "/users/me/sessions/all".to_owned(),
        ["user", user, "session", id] if is_number(user) && is_number(id) => format!("/users/{user}/sessions/{id}"),
        ["user", user, "sessions"] | ["user", user, "session", _] if is_number(user) => {
            format!("/users/{user}/sessions")
        }
        ["user", user, "sessions", "all"] if is_number(user) => format!("/users/{user}/sessions/all"),
        ["user" | "session" | "sessions", ..] => "/".to_owned(),
        _ => return None,
    })
}

/// Only what can be an id goes into a header.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn every_path_has_its_successor() {
        for (method, path, successor_path) in [
            (Method::GET, "/user/session", "/users/me/sessions/me"),
            (Method::POST, "/user/session", "/login"),
            (Method::POST, "/session/", "/login"),
            (Method::DELETE, "/session", "/users/me/sessions/me"),
            (Method::GET, "/user/session/1700000000", "/users/me/sessions/1700000000"),
            (Method::DELETE, "/session/1700000000", "/users/me/sessions/1700000000"),
            (Method::GET, "/session/x>", "/users/me/sessions"),
            (Method::GET, "//user//sessions/", "/users/me/sessions"),
            (Method::DELETE, "/sessions/all", "/users/me/sessions/all"),
            (Method::GET, "/user/1700000000000/sessions", "/users/1700000000000/sessions"),
            (Method::GET, "/user/1700000000000/session/x", "/users/1700000000000/sessions"),
            (Method::DELETE, "/user/1700000000000/session/1700000000", "/users/1700000000000/sessions/1700000000"),
            (Method::DELETE, "/user/1700000000000/sessions/all", "/users/1700000000000/sessions/all"),
            (Method::GET, "/user/me/sessions", "/"),
            (Method::GET, "/user", "/"),
            (Method::GET, "/sessions/1700000000", "/"),
        ] {
            assert_eq!(successor(&method, path).as_deref(), Some(successor_path), "{method} {path}");
        }
    }

    #[test]
    fn other_paths_are_not_marked() {
        for path in ["", "/", "/users/me/sessions", "/login", "/userx", "/sessionsx/all", "/x/user/session"] {
            assert_eq!(successor(&Method::GET, path), None, "{path}");
        }
        let is_marked = |path, base| Mark::of(&TestRequest::with_uri(path).to_srv_request(), base).is_some();
        assert!(is_marked("/api/us%65r/session?x", "/api") && is_marked("/session", ""));
        assert!(!is_marked("/session", "/api") && !is_marked("/apiuser/session", "/api"));
    }

    #[test]
    fn the_limits_are_told_in_old_words_where_there_are_any() {
        let mut headers = HeaderMap::new();
        let mark = Mark { successor: HeaderValue::from_static("</x>") };
        mark.write(&mut headers, Timestamp::from_unix_millis(5_001));
        assert!(headers.keys().all(|name| !name.as_str().contains("ratelimit")));
        for (name, value) in [("ratelimit-limit", "100"), ("ratelimit-remaining", "99"), ("ratelimit-reset", "60")] {
            headers.insert(name.parse().unwrap(), HeaderValue::from_static(value));
        }
        mark.write(&mut headers, Timestamp::from_unix_millis(5_001));
        let told =
            ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(|name| headers.get(name).unwrap());
        assert_eq!(told, ["100", "99", "66"]);
    }
}
