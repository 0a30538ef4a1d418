//! `GET /users`.

use actix_web::HttpResponse;
use schemars::JsonSchema;
use serde::Serialize;
use thunderhead_auth::search::account_query::AccountQuery;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::id::UserId;
use thunderhead_domain::user::{User, Username};

use crate::access::call::Call;
use crate::api::error::{ApiError, ApiResult};
use crate::wire::{UsernameText, Wire};

/// An address never leaves the server in a list.
#[derive(JsonSchema, Serialize)]
pub(crate) struct UserItem<'a> {
    id: Wire<UserId>,
    #[schemars(with = "UsernameText")]
    username: &'a str,
}

/// A page of a list, or of what is searched for.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "UserList")]
pub(crate) struct UserPage<'a> {
    /// How many there are on all pages together.
    #[schemars(example = 1)]
    count: u64,
    items: Vec<UserItem<'a>>,
    /// Where a search goes on: the `cursor` of the next page. It is absent where there are no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", example = "ada.lovelace")]
    next: Option<Wire<Username>>,
}

pub(crate) async fn list(staff: StaffPrincipal, call: Call) -> ApiResult {
    let blank = |text: &String| text.trim().is_empty();
    let Some(query) = call.query("q").filter(|query| !blank(query)) else {
        let page = call.auth().accounts.list(&staff, call.page()).await?;
        return Ok(answer(page.count, &page.items, None));
    };
    let after = match call.query("cursor").filter(|cursor| !blank(cursor)) {
        None => None,
        Some(name) => Some(Username::existing(name).map_err(|_| ApiError::MissingFields(vec!["cursor"]))?),
    };
    let (query, limit) = (AccountQuery::read(&query), call.page().limit);
    let (count, found) = call.auth().search.accounts_counted(&staff, &query, after, limit).await?;
    Ok(answer(count, &found.items, found.next))
}

fn answer(count: u64, users: &[User], next: Option<Username>) -> HttpResponse {
    let items = users.iter().map(|user| UserItem { id: Wire(user.id), username: user.username.as_str() });
    HttpResponse::Ok().json(UserPage { count, items: items.collect(), next: next.map(Wire) })
}
