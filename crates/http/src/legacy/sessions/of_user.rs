//! The sessions of a user, for staff: `/user/{uid}/sessions` and `/user/{uid}/session/{sid}`.

use actix_web::HttpResponse;
use thunderhead_auth::sessions::of_user::EndedSession;
use thunderhead_domain::authorization::StaffPrincipal;

use crate::access::call::Call;
use crate::api::error::ApiError;
use crate::api::path::user_id;
use crate::legacy::error::{LegacyError, LegacyResult};
use crate::legacy::sessions::{ended, listed, session_id, session_ids, shown};

pub(crate) async fn list(staff: StaffPrincipal, call: Call) -> LegacyResult {
    Ok(listed(&call.auth().sessions.of_user(&staff, user_id(&call)?).await?.list(call.page_in_any_case()).await?))
}

pub(crate) async fn show(staff: StaffPrincipal, call: Call) -> LegacyResult {
    let session = call.auth().sessions.of_user(&staff, user_id(&call)?).await?.show(session_id(&call)).await?;
    Ok(shown(&session.ok_or(LegacyError::SessionMissing)?))
}

/// Ends one, and shows it once more, if it can be read.
pub(crate) async fn end_one(staff: StaffPrincipal, call: Call) -> LegacyResult {
    let (user, id) = (user_id(&call)?, session_id(&call));
    let ended = call.auth().sessions.of_user(&staff, user).await?.end_showing(id).await?;
    match ended.ok_or(ApiError::NoSuchSession)? {
        EndedSession::Known(session) => Ok(shown(&session)),
        EndedSession::Unreadable => Ok(HttpResponse::NoContent().finish()),
    }
}

pub(crate) async fn end_some(staff: StaffPrincipal, call: Call) -> LegacyResult {
    let ids = session_ids(&call).await?;
    Ok(ended(call.auth().sessions.of_user(&staff, user_id(&call)?).await?.end_some(&ids).await?))
}

/// Ends all, the caller's own too where it is the caller's id. A body is ignored.
pub(crate) async fn end_all(staff: StaffPrincipal, call: Call) -> LegacyResult {
    Ok(ended(call.auth().sessions.of_user(&staff, user_id(&call)?).await?.end_all().await?))
}
