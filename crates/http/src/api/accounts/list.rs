//! `GET /users`.

use actix_web::HttpResponse;
use schemars::JsonSchema;
use serde::Serialize;
use thunderhead_auth::search::account_query::AccountQuery;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::id::UserId;
use thunderhead_domain::user::Username;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::wire::{ListBody, Listed};
use crate::wire::{UsernameText, Wire};

/// An address never leaves the server in a list.
#[derive(JsonSchema, Serialize)]
pub(crate) struct UserItem<'a> {
    id: Wire<UserId>,
    #[schemars(with = "UsernameText")]
    username: &'a str,
}

impl Listed for UserItem<'_> {
    const LIST: &'static str = "UserList";
}

pub(crate) async fn list(staff: StaffPrincipal, call: Call) -> ApiResult {
    let page = match call.query("q").filter(|query| !query.trim().is_empty()) {
        None => call.auth().accounts.list(&staff, call.page()).await?,
        Some(query) => {
            let after = call.query("after").and_then(|name| Username::existing(name).ok());
            let query = AccountQuery::read(&query);
            call.auth().search.accounts_counted(&staff, &query, after, call.page().limit).await?
        }
    };
    let items = page.items.iter().map(|user| UserItem { id: Wire(user.id), username: user.username.as_str() });
    Ok(HttpResponse::Ok().json(ListBody { count: page.count, items: items.collect() }))
}
