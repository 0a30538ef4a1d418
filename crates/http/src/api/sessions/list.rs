//! `GET /users/me/sessions` and `GET /users/{uid}/sessions`.

use std::net::IpAddr;

use actix_web::HttpResponse;
use serde::Serialize;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::ports::Page;
use thunderhead_domain::session::Session;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::path::user_id;
use crate::api::wire::{ListBody, SessionBody};

#[derive(Serialize)]
struct Item<'a> {
    id: i64,
    name: &'a str,
}

/// An item of a list that asks for everything (`full=true`), for device lists.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FullItem<'a> {
    #[serde(flatten)]
    session: SessionBody<'a>,
    ip: Option<IpAddr>,
    user_agent: Option<&'a str>,
    current: bool,
}

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let page = call.auth().session_list(&principal, call.page()).await?;
    Ok(answer(&page, &principal, &call))
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let page = call.auth().staff_session_list(&staff, user_id(&call)?, call.page()).await?;
    Ok(answer(&page, staff.principal(), &call))
}

fn answer(page: &Page<Session>, caller: &Principal, call: &Call) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if call.flag(&["full"]) {
        let items = page.items.iter().map(|session| full_item(session, caller)).collect();
        return response.json(ListBody { count: page.count, items });
    }
    let items =
        page.items.iter().map(|session| Item { id: session.id.number(), name: session.name.as_str() }).collect();
    response.json(ListBody { count: page.count, items })
}

fn full_item<'a>(session: &'a Session, caller: &Principal) -> FullItem<'a> {
    FullItem {
        session: session.into(),
        ip: session.origin.client_ip,
        user_agent: session.origin.user_agent.as_deref(),
        current: session.uuid == caller.session().uuid,
    }
}
