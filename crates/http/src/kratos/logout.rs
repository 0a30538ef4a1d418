//! `/auth/self-service/logout/…`: a client ends its own session, by its token or by a link that a browser follows.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use thunderhead_domain::authorization::Principal;

use crate::access::call::Call;
use crate::access::limit_class::NamedToken;
use crate::kratos::error::{KratosError, KratosResult};
use crate::kratos::place;
use crate::kratos::wire::{Logout, PRIVATE, shown};
use crate::request::body::{body, read_fields};
use crate::request::credential::bare;
use crate::request::query::texts;

/// Where the token is that is given up.
pub(super) const TOKEN: NamedToken = NamedToken {
    read: |request, payload| Box::pin(async move { read_fields(&request, payload).await }),
    field: "session_token",
};

body! {
    pub(crate) struct KratosNativeLogout {
        session_token: String = "MP2YWEMeM8MxjkGKpH4dqOQ4Q4DlSPaj",
    }
}

/// `DELETE …/api`: whoever has the token may end its session.
pub(super) async fn native(call: Call) -> KratosResult {
    let body = call.body().await;
    let KratosNativeLogout { session_token } =
        body.map_err(|rejection| KratosError::of_body(rejection, |_| "a text"))?;
    let token = bare(&session_token);
    match call.auth().sessions.log_out(token, call.client_ip()).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(KratosError::UnknownToken),
    }
}

/// `GET …/browser`: the link.
pub(super) async fn begin(principal: Principal, call: Call) -> KratosResult {
    let logout_token = call.auth().flows.logout_token(principal.session().uuid);
    let logout_url = place::url(&call, &format!("/self-service/logout?token={logout_token}"));
    Ok(shown(&Logout { logout_url, logout_token }))
}

/// `GET …?token=`: follows it. That the token is known shows that no other site made the link.
pub(super) async fn finish(principal: Principal, call: Call) -> KratosResult {
    let token = texts(call.request(), "token").into_iter().next().unwrap_or_default();
    let session = principal.session();
    if !call.auth().flows.is_logout_token(session.uuid, &token) {
        return Err(KratosError::UnknownToken);
    }
    call.auth().sessions.own(&principal).end(session.id).await?;
    let mut response = HttpResponse::NoContent().insert_header((CACHE_CONTROL, PRIVATE)).finish();
    call.clear_session(&mut response);
    Ok(response)
}
