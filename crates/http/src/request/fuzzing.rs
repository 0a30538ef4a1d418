//! Headers out of any bytes.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// Headers, one a line: which of these, by the first byte, and its value.
pub(crate) fn headers(data: &[u8], names: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some((which, value)) = line.split_first() else { continue };
        let Some(name) = names.get(usize::from(*which) % names.len()) else { continue };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    headers
}
