//! `DELETE /users/me/sessions/{sid}` and `DELETE /users/{uid}/sessions/{sid}`.

use actix_web::HttpResponse;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::id::SessionId;

use crate::access::call::Call;
use crate::api::error::{ApiError, ApiResult};
use crate::api::path::user_id;
use crate::api::sessions::own_session_id;
use crate::api::wire::DeleteSession;

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let id = own_session_id(&call, &principal)?;
    answer(call.auth().sessions.own(&principal).end(id).await?)
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let user = user_id(&call)?;
    let id = call.path("sid").parse().unwrap_or(SessionId::NONE);
    answer(call.auth().sessions.of_user(&staff, user).await?.end(id).await?)
}

fn answer(ended: bool) -> ApiResult {
    if ended { Ok(HttpResponse::Ok().json(DeleteSession::new())) } else { Err(ApiError::NoSuchSession) }
}
