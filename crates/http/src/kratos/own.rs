//! `GET /auth/sessions/whoami`, and `/auth/sessions`: one's own sessions.

use actix_web::HttpResponse;
use actix_web::http::header::HeaderName;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::scope::Scope;

use crate::access::call::Call;
use crate::kratos::error::{KratosError, KratosResult};
use crate::kratos::paging::Paging;
use crate::kratos::wire::Expand;
use crate::kratos::wire::{RevokedCount, SessionList, View, done, shown};
use crate::kratos::{place, query};

const X_IDENTITY: HeaderName = HeaderName::from_static("x-kratos-authenticated-identity-id");

/// How the caller sees a session of their own.
fn view(principal: &Principal, call: &Call, in_list: bool) -> View {
    View {
        now: call.auth().clock().now(),
        current: Some(principal.session().uuid),
        origin: place::origin(call),
        expand: Expand::EVERYTHING,
        in_list,
        with_traits: principal.authenticated().may(Scope::AccountRead, call.auth().policy().staff_factor),
        with_end: false,
    }
}

pub(super) async fn whoami(principal: Principal, call: Call) -> KratosResult {
    let mut response = shown(&view(&principal, &call, false).of(principal.session(), principal.user()));
    if let Ok(identity) = principal.user().uuid.to_string().parse() {
        response.headers_mut().insert(X_IDENTITY, identity);
    }
    Ok(response)
}

/// The other live sessions.
pub(super) async fn list(principal: Principal, call: Call) -> KratosResult {
    let paging = Paging::of(call.request())?;
    let page = call.auth().sessions.own(&principal).list_others(paging.start(), paging.limit()).await?;
    let mut sessions = page.items;
    let links = paging.turn(call.request(), &mut sessions, |session| session, Some(page.count));
    let view = view(&principal, &call, true);
    let sessions = SessionList(sessions.iter().map(|session| view.of(session, principal.user())).collect());
    Ok(links.write(shown(&sessions)))
}

pub(super) async fn end_others(principal: Principal, call: Call) -> KratosResult {
    let count = call.auth().sessions.own(&principal).end_others().await?;
    Ok(done(&RevokedCount { count }))
}

/// Whatever the session is, but the one in use, it is over afterwards.
pub(super) async fn end_one(principal: Principal, call: Call) -> KratosResult {
    let uuid = query::session(&call)?;
    if uuid == principal.session().uuid {
        return Err(KratosError::CurrentSession);
    }
    call.auth().sessions.own(&principal).end_by_uuid(uuid).await?;
    Ok(HttpResponse::NoContent().finish())
}
