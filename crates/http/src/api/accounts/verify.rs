//! `PUT /users/{uid}/verify` and `DELETE /users/{uid}/verify`.

use thunderhead_domain::authorization::StaffPrincipal;

use super::super::error::ApiResult;
use super::super::identity::only_identity;
use super::super::path::user_or_nobody;
use super::answer;
use crate::call::Call;

pub(crate) async fn put(staff: StaffPrincipal, call: Call) -> ApiResult {
    set(staff, call, true).await
}

pub(crate) async fn lift(staff: StaffPrincipal, call: Call) -> ApiResult {
    set(staff, call, false).await
}

async fn set(staff: StaffPrincipal, call: Call, verified: bool) -> ApiResult {
    let reverified = only_identity(&call, staff.principal()).await?;
    let user = user_or_nobody(&call);
    answer(&call.auth().staff_account_set_verified(&staff, reverified, user, verified, call.client_ip()).await?)
}
