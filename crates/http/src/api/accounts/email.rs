//! `PUT /users/me/email` and `PUT /users/{uid}/email`.

use thunderhead_auth::accounts::register::parse_email;
use thunderhead_auth::credentials::change::Reverified;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::user::EmailAddress;

use crate::access::call::Call;
use crate::api::accounts::answer;
use crate::api::error::{ApiError, ApiResult};
use crate::api::identity::identity_last;
use crate::api::path::user_or_nobody;

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let (email, reverified) = read(&call, &principal).await?;
    answer(&call.auth().account_readdress(&principal, reverified, email).await?)
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let (email, reverified) = read(&call, staff.principal()).await?;
    let user = user_or_nobody(&call);
    answer(&call.auth().staff_account_readdress(&staff, reverified, user, email).await?)
}

async fn read(call: &Call, caller: &Principal) -> Result<(EmailAddress, Reverified), ApiError> {
    let mut fields = call.fields().await?;
    let email = fields.required_string("email");
    let shown = identity_last(caller, &mut fields)?;
    let email = parse_email(&email.unwrap_or_default()).map_err(|_| ApiError::InvalidEmail)?;
    Ok((email, shown.verify(call, caller).await?))
}
