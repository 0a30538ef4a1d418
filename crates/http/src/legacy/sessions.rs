//! One's own sessions. Those of others, for staff, are in [`of_user`].

pub(crate) mod of_user;

use actix_web::HttpResponse;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::id::SessionId;
use thunderhead_domain::ports::Page;
use thunderhead_domain::session::Session;

use crate::access::call::Call;
use crate::api::error::ApiError;
use crate::api::ids::Ids;
use crate::api::wire::ListBody;
use crate::legacy::error::{LegacyError, LegacyResult};
use crate::legacy::form;
use crate::legacy::wire::{DeleteBulk, Generic, LegacySession};
use crate::request::body::body;

body! {
    pub(crate) struct LegacySessionIds {
        sessions: Ids<SessionId>,
    }
}

/// `GET /user/session`: the one that the request is made with.
pub(crate) async fn current(principal: Principal, _call: Call) -> LegacyResult {
    Ok(shown(principal.session()))
}

/// `GET /user/session/{sid}`.
pub(crate) async fn show(principal: Principal, call: Call) -> LegacyResult {
    let session = call.auth().sessions.own(&principal).show(session_id(&call)).await?;
    Ok(shown(&session.ok_or(ApiError::NoSuchSession)?))
}

/// `GET /user/sessions`.
pub(crate) async fn list(principal: Principal, call: Call) -> LegacyResult {
    Ok(listed(&call.auth().sessions.own(&principal).list(call.page_in_any_case()).await?))
}

/// `DELETE /user/session/{sid}`.
pub(crate) async fn end_one(principal: Principal, call: Call) -> LegacyResult {
    match call.auth().sessions.own(&principal).end(session_id(&call)).await? {
        true => Ok(HttpResponse::Ok().json(Generic::SUCCESS)),
        false => Err(LegacyError::SessionMissing),
    }
}

/// `DELETE /user/sessions`: those that the body names.
pub(crate) async fn end_some(principal: Principal, call: Call) -> LegacyResult {
    let ids = session_ids(&call).await?;
    Ok(ended(call.auth().sessions.own(&principal).end_some(&ids).await?))
}

/// `DELETE /user/sessions/all`: everything, or everything else.
pub(crate) async fn end_all(principal: Principal, call: Call) -> LegacyResult {
    let count = if call.flag_in_any_case("allButSelf") {
        call.auth().sessions.own(&principal).end_others().await?
    } else {
        call.auth().sessions.own(&principal).end_all().await?
    };
    Ok(ended(count))
}

/// The session that the path names. A text that is no id names none.
fn session_id(call: &Call) -> SessionId {
    call.path("sid").parse().unwrap_or(SessionId::NONE)
}

/// The sessions that the body names.
async fn session_ids(call: &Call) -> Result<Vec<SessionId>, LegacyError> {
    let LegacySessionIds { sessions } = form::fields(call).await?.read()?;
    Ok(sessions.0)
}

fn shown(session: &Session) -> HttpResponse {
    HttpResponse::Ok().json(LegacySession::from(session))
}

fn listed(page: &Page<Session>) -> HttpResponse {
    let items = page.items.iter().map(LegacySession::from).collect();
    HttpResponse::Ok().json(ListBody { count: page.count, items })
}

fn ended(count: u64) -> HttpResponse {
    HttpResponse::Ok().json(DeleteBulk::sessions(count))
}
