//! Forms, of both kinds, and the objects that they stand for.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use actix_web::web::Bytes;
use serde_json::Value;

use super::{MOST_BRACKETS, object};
use crate::request::body::{Pairs, multipart, urlencoded};

/// What is read is no more than what was sent, whatever it was, and is read at once. The first byte of the input says of
/// which kind the form is.
pub fn form(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    let pairs = if kind % 2 == 0 { of_a_query(body) } else { in_parts(body) };
    let Some(pairs) = pairs else { return };
    let sent: usize = pairs.iter().map(|(name, text)| name.len() + text.len()).sum();
    assert!(sent <= body.len(), "{pairs:?}");
    let fields = pairs.len();
    let object = object(pairs);
    assert!(object.len() <= fields, "{object:?}");
    assert!(object.get("sessions").is_none_or(Value::is_array), "{object:?}");
    for (name, value) in &object {
        // What was sent as JSON is as deep as that may be.
        assert!(name == "2fa" || depth(value) <= MOST_BRACKETS + fields, "{value}");
    }
}

/// A form in the form of a query, which is the same when it is written and read again.
fn of_a_query(body: &[u8]) -> Option<Pairs> {
    let pairs = urlencoded(body).ok()?;
    assert!(pairs.len() <= body.iter().filter(|byte| **byte == b'&').count() + 1, "{pairs:?}");
    let written = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    assert_eq!(urlencoded(written.as_bytes()).as_ref(), Ok(&pairs));
    Some(pairs)
}

/// A form in parts, with `x` between them.
fn in_parts(body: &[u8]) -> Option<Pairs> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=x"));
    let mut reading = pin!(multipart(&headers, Bytes::copy_from_slice(body)));
    // All of it is there. It may be put off now and then, and not for ever.
    for _ in 0..=body.len() + 16 {
        if let Poll::Ready(read) = reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            let pairs = read.ok()?;
            let parts = body.windows(3).filter(|window| window == b"--x").count();
            assert!(pairs.len() <= parts, "{pairs:?}");
            return Some(pairs);
        }
    }
    assert!(body.is_empty(), "a form that is there is waited for: {}", String::from_utf8_lossy(body));
    None
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
