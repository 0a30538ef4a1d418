//! `DELETE /users/me/sessions/all` and `DELETE /users/{uid}/sessions/all`.

use actix_web::HttpResponse;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::path::user_id;
use crate::api::wire::DeleteSessions;

/// Everything but the current session, or that too. The published client spells the parameter its own way, which is not
/// documented.
pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let count = if call.flag(&["include-self", "includeSelf"]) {
        call.auth().sessions.own(&principal).end_all().await?
    } else {
        call.auth().sessions.own(&principal).end_others().await?
    };
    Ok(HttpResponse::Ok().json(DeleteSessions::new(count)))
}

/// Everything. A body is ignored: the published client sends one.
pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let count = call.auth().sessions.of_user(&staff, user_id(&call)?).await?.end_all().await?;
    Ok(HttpResponse::Ok().json(DeleteSessions::new(count)))
}
