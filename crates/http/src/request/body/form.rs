//! Forms as names with texts: `application/x-www-form-urlencoded` (URL standard) and `multipart/form-data`
//! (RFC 7578). What the names mean is the dialect's business.

use actix_multipart::{Field, Multipart};
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use futures_util::{TryStreamExt, stream};

use crate::request::body::{BodyError, LONGEST_BODY};

/// The fields of a form in their order, repeated ones included.
pub(crate) type Pairs = Vec<(String, String)>;

/// The fields of a form in the form of a query. One that is not all UTF-8 is none, as with JSON.
pub(crate) fn urlencoded(bytes: &[u8]) -> Result<Pairs, BodyError> {
    let is_text = |text: &str| !text.contains(char::REPLACEMENT_CHARACTER);
    let pairs = form_urlencoded::parse(bytes).into_owned();
    // The parser puts the replacement character where it finds no UTF-8.
    pairs
        .map(
            |(name, value)| {
                if is_text(&name) && is_text(&value) { Ok((name, value)) } else { Err(BodyError::NotAnObject) }
            },
        )
        .collect()
}

/// The fields of a form in parts. Files are left out: no field of ours is one.
pub(crate) async fn multipart(headers: &HeaderMap, bytes: Bytes) -> Result<Pairs, BodyError> {
    let parts = Multipart::new(headers, stream::iter([Ok(bytes)]));
    let pairs = parts.map_err(|_no_form| BodyError::NotAnObject).try_filter_map(text_of);
    pairs.try_collect().await
}

/// A part's name and text; `None` of a file.
async fn text_of(mut part: Field) -> Result<Option<(String, String)>, BodyError> {
    let is_file = part
        .content_disposition()
        .is_some_and(|disposition| disposition.get_filename().is_some() || disposition.get_filename_ext().is_some());
    let name = part.name().map(str::to_owned);
    // A part that is left out must be read nevertheless, or the next one cannot be.
    let Ok(Ok(bytes)) = part.bytes(LONGEST_BODY).await else { return Err(BodyError::NotAnObject) };
    let Some(name) = name.filter(|_| !is_file) else { return Ok(None) };
    let text = String::from_utf8(bytes.into()).map_err(|_not_utf8| BodyError::NotAnObject)?;
    Ok(Some((name, text)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
    use actix_web::rt::System;
    use proptest::prelude::*;
    use tokio::time::timeout;

    use super::*;

    /// Reads a form in parts, which takes no time.
    fn parts(content_type: &str, body: impl Into<Vec<u8>>) -> Result<Pairs, BodyError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(content_type.as_bytes()).unwrap());
        let bytes = Bytes::from(body.into());
        let patience = Duration::from_secs(60);
        System::new().block_on(async { timeout(patience, multipart(&headers, bytes)).await.expect("an end") })
    }

    fn pairs(expected: &[(&str, &str)]) -> Result<Pairs, BodyError> {
        Ok(expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    const FORM: &str = "multipart/form-data; boundary=x";

    fn part(disposition: &str, text: &str) -> String {
        format!("--x\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{text}\r\n")
    }

    #[test]
    fn a_query_is_decoded_and_keeps_its_order() {
        let form = urlencoded(b"user=ada+l%C3%B6&a=&b&=c&&user=x%3D%26");
        assert_eq!(form, pairs(&[("user", "ada lö"), ("a", ""), ("b", ""), ("", "c"), ("user", "x=&")]));
        assert_eq!(urlencoded(b""), pairs(&[]));
        assert_eq!(urlencoded(b"a=%zz%"), pairs(&[("a", "%zz%")]));
        for broken in [&b"a=%ff"[..], b"a=\xff", b"%ff=a", b"a=b&c=%c3"] {
            assert_eq!(urlencoded(broken), Err(BodyError::NotAnObject));
        }
    }

    #[test]
    fn parts_are_texts_with_names_and_files_are_left_out() {
        let body = [
            "before\r\n",
            &part("name=\"user\"", "ada lö"),
            &part("name=pass; filename=\"pass.txt\"", "\u{0}\r\n-x--x\r\n"),
            "--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\n\r\n\r\n",
            &part("name=\"2fa[token]\"", ""),
            "--x--\r\nbehind",
        ];
        assert_eq!(parts(FORM, body.concat()), pairs(&[("user", "ada lö"), ("user", "\r\n"), ("2fa[token]", "")]));
        let quoted = "multipart/form-data; charset=utf-8; boundary=\"x\"";
        assert_eq!(parts(quoted, part("name=a", "b") + "--x--"), pairs(&[("a", "b")]));
        assert_eq!(parts(FORM, "--x--\r\n"), pairs(&[]));
    }

    #[test]
    fn what_is_no_form_in_parts_is_refused() {
        let good = part("name=a", "b") + "--x--\r\n";
        for content_type in
            ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=y", "x"]
        {
            assert_eq!(parts(content_type, good.as_str()), Err(BodyError::NotAnObject), "{content_type}");
        }
        let nameless = part("filename=a", "b");
        let nested =
            "--x\r\nContent-Disposition: form-data; name=a\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n";
        let long = format!("--x\r\n{}\r\n\r\n--x--", "A: b\r\n".repeat(100));
        let bodies = [
            &b""[..],
            b"{}",
            b"--",
            b"--x",
            b"--x\r\n",
            b"--x\r\n\r\n\r\n--x--",
            nameless.as_bytes(),
            b"--x\r\nContent-Disposition: attachment; name=a\r\n\r\nb\r\n--x--",
            b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--x--",
            b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb",
            nested.as_bytes(),
            long.as_bytes(),
        ];
        for body in bodies {
            assert_eq!(parts(FORM, body), Err(BodyError::NotAnObject), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_form_may_have_as_many_parts_as_its_length_allows() {
        let one = part("name=a", "b");
        let count = (LONGEST_BODY - 10) / one.len();
        assert_eq!(parts(FORM, one.repeat(count) + "--x--").map(|pairs| pairs.len()), Ok(count));
    }

    proptest! {
        #[test]
        fn no_form_makes_reading_it_fail(
            content_type in r"multipart/form-data(; ?(boundary|x)=[x\x22;-]{0,3}){0,2}",
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("--x".to_owned()),
                    Just("\r\n".to_owned()),
                    Just("Content-Disposition: form-data; name=\"a\"".to_owned()),
                    Just(part("name=a", "b")),
                    "\\PC{0,5}",
                    "[-x\r\n:;=\"]{0,4}",
                ],
                0..12,
            ),
        ) {
            let body = pieces.concat();
            drop(parts(&content_type, body.as_str()));
            drop(parts(FORM, body.as_str()));
            drop(urlencoded(body.as_bytes()));
        }

        #[test]
        fn no_bytes_make_reading_them_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(parts(FORM, [b"--x\r\n", bytes.as_slice()].concat()));
            drop(urlencoded(&bytes));
        }
    }
}
