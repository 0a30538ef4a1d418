//! `PUT /users/me/username` and `PUT /users/{uid}/username`.

use thunderhead_auth::credentials::change::Reverified;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::user::Username;

use crate::access::call::Call;
use crate::api::accounts::answer;
use crate::api::error::{ApiError, ApiResult};
use crate::api::identity::identity_last;
use crate::api::path::user_or_nobody;

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let (name, reverified) = read(&call, &principal).await?;
    answer(&call.auth().account_rename(&principal, reverified, name).await?)
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let (name, reverified) = read(&call, staff.principal()).await?;
    let user = user_or_nobody(&call);
    answer(&call.auth().staff_account_rename(&staff, reverified, user, name).await?)
}

async fn read(call: &Call, caller: &Principal) -> Result<(Username, Reverified), ApiError> {
    let mut fields = call.fields().await?;
    let name = fields.required_string("username");
    let shown = identity_last(caller, &mut fields)?;
    let name = Username::try_from(name.unwrap_or_default()).map_err(|_| ApiError::InvalidUsername)?;
    Ok((name, shown.verify(call, caller).await?))
}
