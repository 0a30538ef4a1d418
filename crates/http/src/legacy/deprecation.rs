//! What every response on the legacy dialect's paths carries, whoever made it: `Deprecation` (RFC 9745), a `Link` to
//! its successor (RFC 8288, RFC 5829), and the limits under the names that old programs read.

use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, LINK};
use thunderhead_domain::time::{Timestamp, seconds_rounded_up};

use crate::legacy::paths::successor;
use crate::middleware::decoration::Decoration;

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

/// What the answers to requests on one of these paths will carry.
pub(super) fn of(method: &Method, path: &str, base_path: &str) -> Option<Decoration> {
    let link = format!("<{base_path}{}>; rel=\"successor-version\"", successor(method, path)?);
    let successor = HeaderValue::try_from(link).ok()?;
    Some(Box::new(move |headers, now| write(headers, &successor, now)))
}

fn write(headers: &mut HeaderMap, successor: &HeaderValue, now: Timestamp) {
    headers.insert(DEPRECATION, SINCE);
    headers.insert(LINK, successor.clone());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_told_in_old_words_where_there_are_any() {
        let mut headers = HeaderMap::new();
        let successor = HeaderValue::from_static("</x>");
        write(&mut headers, &successor, Timestamp::from_unix_millis(5_001));
        assert!(headers.keys().all(|name| !name.as_str().contains("ratelimit")));
        for (name, value) in [("ratelimit-limit", "100"), ("ratelimit-remaining", "99"), ("ratelimit-reset", "60")] {
            headers.insert(name.parse().unwrap(), HeaderValue::from_static(value));
        }
        write(&mut headers, &successor, Timestamp::from_unix_millis(5_001));
        let told =
            ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(|name| headers.get(name).unwrap());
        assert_eq!(told, ["100", "99", "66"]);
    }
}
