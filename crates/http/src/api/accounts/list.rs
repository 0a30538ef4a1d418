//! `GET /users`.

use actix_web::HttpResponse;
use serde::Serialize;
use thunderhead_domain::id::UserId;
use thunderhead_domain::judgement::StaffPrincipal;

use super::super::error::ApiResult;
use super::super::wire::{List, Shown};
use crate::call::Call;

/// An address never leaves the server in a list.
#[derive(Serialize)]
struct Item<'a> {
    id: Shown<UserId>,
    username: &'a str,
}

pub(crate) async fn list(staff: StaffPrincipal, call: Call) -> ApiResult {
    let page = call.auth().staff_account_list(&staff, call.page()).await?;
    let items = page.items.iter().map(|user| Item { id: Shown(user.id), username: user.username.as_str() });
    Ok(HttpResponse::Ok().json(List { count: page.count, items: items.collect() }))
}
