//! `DELETE /users/me/sessions` and `DELETE /users/{uid}/sessions`: those that `ids` names.

use actix_web::HttpResponse;
use serde_json::Value;
use thunderhead_domain::id::SessionId;
use thunderhead_domain::judgement::{Principal, StaffPrincipal};

use super::super::error::{ApiError, ApiResult};
use super::super::wire::Deleted;
use super::user_id;
use crate::body::integer;
use crate::call::Call;

/// The most ids of one call, counted before anything is taken out.
const MOST_IDS: usize = 50;

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let ids = ids(&call, Some(principal.session().id)).await?;
    let count = call.auth().session_end_some(&principal, &ids).await?;
    Ok(HttpResponse::Ok().json(Deleted::sessions(count)))
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let ids = ids(&call, None).await?;
    let count = call.auth().staff_session_end_some(&staff, user_id(&call)?, &ids).await?;
    Ok(HttpResponse::Ok().json(Deleted::sessions(count)))
}

/// The ids of the body: decimal texts or numbers, and `me` where it means something. Texts and numbers that
/// are no id name no session and are left out.
async fn ids(call: &Call, me: Option<SessionId>) -> Result<Vec<SessionId>, ApiError> {
    let mut fields = call.fields().await?;
    let values = fields.required_array("ids").unwrap_or_default();
    if values.len() > MOST_IDS {
        return Err(ApiError::TooManyIds);
    }
    if !values.iter().all(|value| value.is_string() || value.is_number()) {
        fields.reject("ids");
    }
    fields.finish()?;
    Ok(values.iter().filter_map(|value| id(value, me)).collect())
}

fn id(value: &Value, me: Option<SessionId>) -> Option<SessionId> {
    match value.as_str() {
        Some("me") => me,
        Some(text) => text.parse().ok(),
        None => integer(value).map(SessionId::from_number),
    }
}
