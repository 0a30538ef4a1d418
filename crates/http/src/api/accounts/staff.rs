//! `PUT /users/{uid}/staff` and `DELETE /users/{uid}/staff`.

use thunderhead_auth::changes::target::OtherUser;
use thunderhead_domain::authorization::StaffPrincipal;

use crate::access::call::Call;
use crate::api::accounts::answer_if_shown;
use crate::api::error::ApiResult;
use crate::api::identity::only_identity;
use crate::api::path::user_or_nobody;

pub(crate) async fn promote(staff: StaffPrincipal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &staff).await?;
    let user = user_or_nobody(&call);
    answer_if_shown(call.auth().accounts.promote(reverified.of(user)).await?.as_ref())
}

pub(crate) async fn demote(staff: StaffPrincipal, call: Call) -> ApiResult {
    let other = OtherUser::than(&staff, user_or_nobody(&call))?;
    let reverified = only_identity(&call, &staff).await?;
    answer_if_shown(call.auth().accounts.demote(reverified.of(other)).await?.as_ref())
}
