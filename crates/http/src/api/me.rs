//! `GET /api/users/me`.

use actix_web::HttpResponse;
use thunderhead_domain::judgement::Principal;

use super::error::ApiResult;
use super::wire::UserBody;
use crate::call::Call;

pub(crate) async fn show(principal: Principal, _call: Call) -> ApiResult {
    Ok(HttpResponse::Ok().json(UserBody::from(principal.user())))
}
