//! `DELETE /users/me/sessions` and `DELETE /users/{uid}/sessions`: those that `ids` names.

use actix_web::HttpResponse;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::id::SessionId;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::ids::{Ids, OwnSession};
use crate::api::path::user_id;
use crate::api::wire::DeleteSessions;
use crate::request::body::body;

body! {
    pub(crate) struct OwnSessionIds {
        ids: Ids<OwnSession>,
    }
}

body! {
    pub(crate) struct SessionIds {
        ids: Ids<SessionId>,
    }
}

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let OwnSessionIds { ids } = call.body().await?;
    let id = |session| match session {
        OwnSession::InUse => principal.session().id,
        OwnSession::Other(id) => id,
    };
    let ids: Vec<_> = ids.0.into_iter().map(id).collect();
    let count = call.auth().sessions.own(&principal).end_some(&ids).await?;
    Ok(HttpResponse::Ok().json(DeleteSessions::new(count)))
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let SessionIds { ids } = call.body().await?;
    let count = call.auth().sessions.of_user(&staff, user_id(&call)?).await?.end_some(&ids.0).await?;
    Ok(HttpResponse::Ok().json(DeleteSessions::new(count)))
}
