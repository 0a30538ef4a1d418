//! `POST /revoke`: whoever has a token may end its session (RFC 7009). So a leaked one is ended by whoever finds it.
//!
//! The token is all that is asked for: what a client shows of itself besides is left aside, and no kill switch shuts this.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use crate::access::authorization::Shared;
use crate::access::limit_class::NamedText;
use crate::api::error::{ApiError, ApiResult};
use crate::request::client_ip::ClientIp;
use crate::request::credential::bare;
use crate::roots::RootEndpoint;
use crate::services::oauth::{self, OauthError};

pub(super) fn mount(services: &mut web::ServiceConfig, shared: &Arc<Shared>) {
    services.service(oauth::resource(RootEndpoint::Revoke, shared, answer));
}

async fn answer(shared: Arc<Shared>, request: HttpRequest, payload: web::Payload) -> ApiResult {
    let form = oauth::read(&request, payload).await;
    let token = form.as_ref().ok().and_then(|form| form.get("token")).map(|text| NamedText(text.clone()));
    let client = shared.client_of(&request);
    let verdict = shared.count_revocation_by(token.as_ref(), client, &request).await?;
    let outcome = match (verdict, form) {
        (Some(verdict), _) if !verdict.admitted => Err(ApiError::RateLimited),
        (_, Err(error)) => Err(error),
        (_, Ok(_)) => end(&shared, token.as_ref(), client).await,
    };
    let mut response = outcome.unwrap_or_else(ApiError::into_response);
    if let Some(verdict) = verdict {
        verdict.write_headers(response.headers_mut());
    }
    Ok(response)
}

/// Whether there was a session to end is not told: for who has the token, it is good for nothing either way.
async fn end(shared: &Shared, token: Option<&NamedText>, client: ClientIp) -> ApiResult {
    let Some(NamedText(token)) = token else {
        return Ok(HttpResponse::BadRequest().json(OauthError::INVALID_REQUEST));
    };
    shared.auth.sessions.revoke(bare(token), client.address()).await?;
    Ok(HttpResponse::Ok().finish())
}
