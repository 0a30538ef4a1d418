//! `GET /users/me/sessions/{sid}` and `GET /users/{uid}/sessions/{sid}`.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::id::SessionId;
use thunderhead_domain::session::Session;

use crate::access::call::Call;
use crate::api::error::{ApiError, ApiResult};
use crate::api::path::user_id;
use crate::api::sessions::own_session_id;
use crate::api::wire::SessionBody;

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let id = own_session_id(&call, &principal)?;
    answer(call.auth().sessions.own(&principal).show(id).await?)
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let user = user_id(&call)?;
    // An unknown user is told before an unknown session, also where the session's id cannot be one.
    let id = call.path("sid").parse().unwrap_or(SessionId::NONE);
    answer(call.auth().sessions.of_user(&staff, user).await?.show(id).await?)
}

fn answer(session: Option<Session>) -> ApiResult {
    let session = session.ok_or(ApiError::NoSuchSession)?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(SessionBody::from(&session).to_json()))
}
