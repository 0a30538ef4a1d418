//! `GET /users/me` and `GET /users/{uid}`.

use thunderhead_domain::authorization::{Principal, StaffPrincipal};

use crate::access::call::Call;
use crate::api::accounts::answer;
use crate::api::error::ApiResult;
use crate::api::path::user_id;

pub(crate) async fn own(principal: Principal, _call: Call) -> ApiResult {
    answer(principal.user())
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    answer(&call.auth().accounts.show(&staff, user_id(&call)?).await?)
}
