//! Forms as names with texts: `application/x-www-form-urlencoded` (URL standard) and `multipart/form-data`
//! (RFC 7578). What the names mean is the dialect's business.

use actix_multipart::{Field, Multipart};
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use futures_util::{TryStreamExt, stream};

use super::{BodyError, LONGEST_BODY};

/// The fields of a form in their order, repeated ones included.
pub(crate) type Pairs = Vec<(String, String)>;

/// The fields of a form in the form of a query. One that is not all UTF-8 is none, as with JSON.
pub(super) fn urlencoded(bytes: &[u8]) -> Result<Pairs, BodyError> {
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
pub(super) async fn multipart(headers: &HeaderMap, bytes: Bytes) -> Result<Pairs, BodyError> {
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
