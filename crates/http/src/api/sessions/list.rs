//! `GET /users/me/sessions` and `GET /users/{uid}/sessions`.

use std::net::IpAddr;

use actix_web::HttpResponse;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::ports::Page;
use thunderhead_domain::session::Session;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::path::user_id;
use crate::api::wire::{ListBody, Listed, SessionBody};
use crate::wire::{SessionNameText, SessionNumber};

#[derive(JsonSchema, Serialize)]
pub(crate) struct SessionItem<'a> {
    #[schemars(with = "SessionNumber")]
    id: i64,
    #[schemars(with = "SessionNameText")]
    name: &'a str,
}

/// A session with the device that it was made on, for device lists.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionDevice<'a> {
    #[serde(flatten)]
    session: SessionBody<'a>,
    /// The address that it was made from.
    #[schemars(with = "Option<String>", example = "203.0.113.7")]
    ip: Option<IpAddr>,
    /// The User-Agent that it was made with.
    #[schemars(example = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")]
    user_agent: Option<&'a str>,
    /// Whether the request is made with it.
    #[schemars(example = true)]
    current: bool,
}

/// With `full=true` a SessionDevice, else a SessionItem. Who reads an item as the first of them that it fits, as
/// generated clients do, reads it right.
#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum ListedSession<'a> {
    Device(SessionDevice<'a>),
    Item(SessionItem<'a>),
}

impl Listed for ListedSession<'_> {
    const LIST: &'static str = "SessionList";

    fn example() -> Option<Value> {
        Some(json!({"count": 1, "items": [{"id": 1_767_225_600, "name": "Firefox v140 on Linux"}]}))
    }
}

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let page = call.auth().sessions.own(&principal).list(call.page()).await?;
    Ok(answer(&page, &principal, &call))
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let page = call.auth().sessions.of_user(&staff, user_id(&call)?).await?.list(call.page()).await?;
    Ok(answer(&page, staff.principal(), &call))
}

fn answer(page: &Page<Session>, caller: &Principal, call: &Call) -> HttpResponse {
    let full = call.flag(&["full"]);
    let item = |session| {
        if full { ListedSession::Device(device(session, caller)) } else { ListedSession::Item(session.into()) }
    };
    HttpResponse::Ok().json(ListBody { count: page.count, items: page.items.iter().map(item).collect() })
}

impl<'a> From<&'a Session> for SessionItem<'a> {
    fn from(session: &'a Session) -> Self {
        Self { id: session.id.number(), name: session.name.as_str() }
    }
}

fn device<'a>(session: &'a Session, caller: &Principal) -> SessionDevice<'a> {
    SessionDevice {
        session: session.into(),
        ip: session.origin.client_ip,
        user_agent: session.origin.user_agent.as_deref(),
        current: session.uuid == caller.session().uuid,
    }
}
