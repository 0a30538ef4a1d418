//! `GET /users`.

use actix_web::HttpResponse;
use serde::Serialize;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::id::UserId;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::wire::ListBody;
use crate::wire::Wire;

/// An address never leaves the server in a list.
#[derive(Serialize)]
struct Item<'a> {
    id: Wire<UserId>,
    username: &'a str,
}

pub(crate) async fn list(staff: StaffPrincipal, call: Call) -> ApiResult {
    let page = call.auth().staff_account_list(&staff, call.page()).await?;
    let items = page.items.iter().map(|user| Item { id: Wire(user.id), username: user.username.as_str() });
    Ok(HttpResponse::Ok().json(ListBody { count: page.count, items: items.collect() }))
}
