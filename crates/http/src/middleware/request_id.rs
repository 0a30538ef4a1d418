//! The id of a request, in its log line and its response.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use thunderhead_domain::ports::Random;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id that ties a request to its log line and its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The longest id that is taken from a client, in bytes.
    const MAX: usize = 128;

    /// The id as text: visible ASCII.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// The client's own id where it is fit to be printed, else a version 4 UUID (RFC 9562).
    pub(crate) fn for_headers(headers: &HeaderMap, random: &dyn Random) -> Self {
        let fit = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (1..=Self::MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
        };
        headers.get(X_REQUEST_ID).filter(fit).cloned().map_or_else(|| Self::drawn(random), Self)
    }

    fn drawn(random: &dyn Random) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        let text = uuid::Builder::from_random_bytes(bytes).into_uuid().hyphenated().to_string();
        Self(HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("none")))
    }
}
