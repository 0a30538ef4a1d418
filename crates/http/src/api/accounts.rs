//! The account endpoints: one's own under `/users/me`, those of others under `/users/{uid}` for staff.

pub(crate) mod ban;
pub(crate) mod delete;
pub(crate) mod docs;
pub(crate) mod email;
pub(crate) mod list;
pub(crate) mod password;
pub(crate) mod show;
pub(crate) mod staff;
pub(crate) mod staff_docs;
pub(crate) mod username;
pub(crate) mod verify;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use thunderhead_domain::user::User;

use crate::api::error::ApiResult;
use crate::api::wire::UserBody;

fn answer(user: &User) -> ApiResult {
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(UserBody::from(user).to_json()))
}

/// After a change that was made whether or not the user can be shown.
fn answer_if_shown(user: Option<&User>) -> ApiResult {
    user.map_or_else(|| Ok(HttpResponse::NoContent().finish()), answer)
}
