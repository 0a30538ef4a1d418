//! `DELETE /users/me/sessions` and `DELETE /users/{uid}/sessions`: those that `ids` names.

use actix_web::HttpResponse;
use serde_json::Value;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::id::SessionId;

use crate::access::call::Call;
use crate::api::error::{ApiError, ApiResult};
use crate::api::ids::ids;
use crate::api::path::user_id;
use crate::api::wire::Deleted;
use crate::request::body::integer;

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let ids = read(&call, Some(principal.session().id)).await?;
    let count = call.auth().session_end_some(&principal, &ids).await?;
    Ok(HttpResponse::Ok().json(Deleted::sessions(count)))
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let ids = read(&call, None).await?;
    let count = call.auth().staff_session_end_some(&staff, user_id(&call)?, &ids).await?;
    Ok(HttpResponse::Ok().json(Deleted::sessions(count)))
}

/// The ids of the body, and `me` where it means something.
async fn read(call: &Call, me: Option<SessionId>) -> Result<Vec<SessionId>, ApiError> {
    let mut fields = call.fields().await?;
    let ids = ids(&mut fields, |value| id(value, me))?;
    fields.finish()?;
    Ok(ids)
}

fn id(value: &Value, me: Option<SessionId>) -> Option<SessionId> {
    match value.as_str() {
        Some("me") => me,
        Some(text) => text.parse().ok(),
        None => integer(value).map(SessionId::from_number),
    }
}
