//! `PUT /users/me/password` and `PUT /users/{uid}/password`.

use thunderhead_auth::credentials::change::{ChangeError, Reverified};
use thunderhead_auth::credentials::password::rules::NewPassword;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::user::User;

use crate::access::call::Call;
use crate::api::accounts::answer_if_shown;
use crate::api::error::{ApiError, ApiResult};
use crate::api::identity::identity_last;
use crate::api::password::{candidate, estimated};
use crate::api::path::user_or_nobody;

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let (password, reverified) = read(&call, &principal, Some(principal.user())).await?;
    answer_if_shown(call.auth().account_set_password(&principal, reverified, password).await?.as_ref())
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    // The password must not be its owner's name or address, so they are looked up first; that there is no such
    // user is told last.
    let user = user_or_nobody(&call);
    let owner = match call.auth().staff_account_show(&staff, user).await {
        Ok(owner) => Some(owner),
        Err(ChangeError::Refused(Refusal::Gone)) => None,
        Err(error) => return Err(error.into()),
    };
    let (password, reverified) = read(&call, staff.principal(), owner.as_ref()).await?;
    answer_if_shown(call.auth().staff_account_set_password(&staff, reverified, user, password).await?.as_ref())
}

async fn read(call: &Call, caller: &Principal, owner: Option<&User>) -> Result<(NewPassword, Reverified), ApiError> {
    let mut fields = call.fields().await?;
    let text = fields.required_string("newPassword");
    let confirmation = fields.required_string("confirmNewPassword");
    let personal = owner.map(|owner| vec![owner.username.as_str().to_owned(), owner.email.as_str().to_owned()]);
    let candidate = candidate(&mut fields, "newPassword", text, personal.unwrap_or_default());
    let shown = identity_last(caller, &mut fields)?;
    let (Some(candidate), Some(confirmation)) = (candidate, confirmation) else { return Err(ApiError::Internal) };
    if !candidate.is(&confirmation) {
        return Err(ApiError::PasswordsDoNotMatch);
    }
    let reverified = shown.verify(call, caller).await?;
    match estimated(call, "newPassword", candidate).await {
        Ok(password) => Ok((password, reverified)),
        Err(error) => {
            call.auth().withdraw(reverified).await?;
            Err(error)
        }
    }
}
