//! `GET /users/me` and `GET /users/{uid}`.

use thunderhead_domain::authorization::{Principal, StaffPrincipal};

use super::super::error::ApiResult;
use super::super::path::user_id;
use super::answer;
use crate::call::Call;

pub(crate) async fn own(principal: Principal, _call: Call) -> ApiResult {
    answer(principal.user())
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    answer(&call.auth().staff_account_show(&staff, user_id(&call)?).await?)
}
