//! `PUT /users/{uid}/ban` and `DELETE /users/{uid}/ban`.

use thunderhead_auth::accounts::staff::OtherUser;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::label::is_printable;

use crate::access::call::Call;
use crate::api::accounts::answer_if_shown;
use crate::api::error::ApiResult;
use crate::api::identity::{identity_last, only_identity};
use crate::api::path::user_or_nobody;

/// The longest reason, in characters: it is kept in the audit trail.
const LONGEST_REASON: usize = 1_024;

pub(crate) async fn put(staff: StaffPrincipal, call: Call) -> ApiResult {
    let other = OtherUser::than(&staff, user_or_nobody(&call));
    let mut fields = call.fields().await?;
    let reason = fields.optional_string("reason");
    if reason.as_ref().is_some_and(|reason| !is_acceptable(reason)) {
        fields.reject("reason");
    }
    let shown = identity_last(staff.principal(), &mut fields)?;
    let other = other?;
    let reverified = shown.verify(&call, staff.principal()).await?;
    answer_if_shown(call.auth().staff_account_ban(&staff, reverified, other, reason).await?.as_ref())
}

pub(crate) async fn lift(staff: StaffPrincipal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, staff.principal()).await?;
    let user = user_or_nobody(&call);
    answer_if_shown(call.auth().staff_account_unban(&staff, reverified, user).await?.as_ref())
}

/// Printable, because the operator reads it in a terminal.
fn is_acceptable(reason: &str) -> bool {
    reason.chars().nth(LONGEST_REASON).is_none() && is_printable(reason)
}
