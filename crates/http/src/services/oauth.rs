//! What the endpoints share that OAuth knows: how they are asked, who asks, and how they refuse (RFC 6749).

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, Resource, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::Serialize;

use crate::access::authorization::Shared;
use crate::api::error::{ApiError, ApiResult};
use crate::request::body::{BODY_DEADLINE, BodyError, read_form};
use crate::roots::RootEndpoint;
use crate::services;
use crate::wire::value_schemas;

const INVALID_REQUEST: &str = "invalid_request";
const INVALID_CLIENT: &str = "invalid_client";
const INSUFFICIENT_SCOPE: &str = "insufficient_scope";

value_schemas! {
    OauthErrorCode: {"enum": [INVALID_REQUEST, INVALID_CLIENT, INSUFFICIENT_SCOPE], "examples": [INVALID_CLIENT]};
}

/// RFC 6749, section 5.2, and RFC 6750, section 3.1.
#[derive(JsonSchema, Serialize)]
pub(super) struct OauthError {
    #[schemars(with = "OauthErrorCode")]
    error: &'static str,
}

impl OauthError {
    pub(super) const INVALID_REQUEST: Self = Self { error: INVALID_REQUEST };
    const INVALID_CLIENT: Self = Self { error: INVALID_CLIENT };
    pub(super) const INSUFFICIENT_SCOPE: Self = Self { error: INSUFFICIENT_SCOPE };
}

/// The answer to a service that nobody knows, or that shows another secret.
pub(super) fn unknown_client() -> HttpResponse {
    let mut response = HttpResponse::Unauthorized();
    response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"thunderhead\""));
    response.json(OauthError::INVALID_CLIENT)
}

/// The resource of an endpoint that is asked by a form.
pub(super) fn resource<F: Future<Output = ApiResult> + 'static>(
    endpoint: RootEndpoint,
    shared: &Arc<Shared>,
    answer: impl Fn(Arc<Shared>, HttpRequest, web::Payload) -> F + Clone + 'static,
) -> Resource {
    let shared = Arc::clone(shared);
    let answer = move |request: HttpRequest, payload: web::Payload| {
        let answer = answer(Arc::clone(&shared), request, payload);
        async move { answer.await.unwrap_or_else(ApiError::into_response) }
    };
    services::resource(endpoint, "POST").route(web::post().to(answer))
}

/// The fields of a form; a body that is none has none.
pub(super) type OauthForm = HashMap<String, String>;

pub(super) async fn read(request: &HttpRequest, payload: web::Payload) -> Result<OauthForm, ApiError> {
    match read_form(request, payload, BODY_DEADLINE).await {
        Ok(form) => Ok(form),
        Err(BodyError::TooLarge) => Err(ApiError::BodyTooLarge),
        Err(BodyError::NotAnObject) => Ok(OauthForm::new()),
    }
}

/// An id and a secret, as the service sent them.
pub(super) struct ClientCredentials {
    pub(super) id: String,
    pub(super) secret: String,
}

impl ClientCredentials {
    /// HTTP Basic, else `client_id` and `client_secret` in the body (RFC 6749, section 2.3.1).
    pub(super) fn shown(headers: &HeaderMap, form: &OauthForm) -> Option<Self> {
        let Some(value) = headers.get(AUTHORIZATION) else {
            let field = |name| form.get(name).cloned();
            return Some(Self { id: field("client_id")?, secret: field("client_secret")? });
        };
        let (scheme, encoded) = value.to_str().ok()?.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = decoded.split_once(':')?;
        Some(Self { id: unescaped(id)?, secret: unescaped(secret)? })
    }
}

/// Some clients escape more than they need to. A plus stands for itself: no id or secret has a space that it could be.
fn unescaped(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn shown_in_basic(pair: &str) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        let value = format!("Basic {}", STANDARD.encode(pair));
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        ClientCredentials::shown(&headers, &OauthForm::new()).map(|shown| (shown.id, shown.secret))
    }

    #[test]
    fn both_halves_of_basic_may_be_escaped() {
        let same = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        for (pair, expected) in [
            ("shop:thk_a-b_c", same("shop", "thk_a-b_c")),
            ("my%2Dshop%2e1:thk%5fa%2Db", same("my-shop.1", "thk_a-b")),
            ("shop%3Aa:b", same("shop:a", "b")),
            ("shop:a:b", same("shop", "a:b")),
            ("shop:a+b%2B%20", same("shop", "a+b+ ")),
            ("shop:100%", same("shop", "100%")),
            ("shop:%zz%4", same("shop", "%zz%4")),
            ("shop:%c3%a4", same("shop", "ä")),
            ("shop:%ff", None),
            ("%ff:a", None),
            ("shop", None),
            ("shop%3aa", None),
        ] {
            assert_eq!(shown_in_basic(pair), expected, "{pair}");
        }
    }
}
