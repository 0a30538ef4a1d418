//! `PUT /users/{uid}/staff` and `DELETE /users/{uid}/staff`.

use thunderhead_auth::accounts::staff::OtherUser;
use thunderhead_domain::authorization::StaffPrincipal;

use super::super::error::ApiResult;
use super::super::identity::only_identity;
use super::super::path::user_or_nobody;
use super::answer_if_shown;
use crate::call::Call;

pub(crate) async fn promote(staff: StaffPrincipal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, staff.principal()).await?;
    let user = user_or_nobody(&call);
    answer_if_shown(call.auth().staff_account_promote(&staff, reverified, user, call.client_ip()).await?.as_ref())
}

pub(crate) async fn demote(staff: StaffPrincipal, call: Call) -> ApiResult {
    let other = OtherUser::than(&staff, user_or_nobody(&call))?;
    let reverified = only_identity(&call, staff.principal()).await?;
    answer_if_shown(call.auth().staff_account_demote(&staff, reverified, other, call.client_ip()).await?.as_ref())
}
