//! `PUT /users/{uid}/verify` and `DELETE /users/{uid}/verify`.

use thunderhead_domain::authorization::StaffPrincipal;

use crate::access::call::Call;
use crate::api::accounts::answer;
use crate::api::error::ApiResult;
use crate::api::identity::only_identity;
use crate::api::path::user_or_nobody;

pub(crate) async fn put(staff: StaffPrincipal, call: Call) -> ApiResult {
    set(staff, call, true).await
}

pub(crate) async fn lift(staff: StaffPrincipal, call: Call) -> ApiResult {
    set(staff, call, false).await
}

async fn set(staff: StaffPrincipal, call: Call, verified: bool) -> ApiResult {
    let reverified = only_identity(&call, &staff).await?;
    let user = user_or_nobody(&call);
    answer(&call.auth().accounts.set_verified(reverified.of(user), verified).await?)
}
