//! `PUT /users/me/password`, `DELETE /users/me/password` and `PUT /users/{uid}/password`.

use thunderhead_auth::changes::{ChangeError, Reverified};
use thunderhead_auth::credentials::password::rules::{Candidate, NewPassword};
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::user::User;

use crate::access::call::Call;
use crate::api::accounts::answer_if_shown;
use crate::api::error::{ApiError, ApiResult};
use crate::api::fields::PasswordConfirmation;
use crate::api::identity::{only_identity, read_with_proof};
use crate::api::password::estimated;
use crate::api::path::user_or_nobody;
use crate::request::body::body;

body! {
    pub(crate) struct PasswordChange {
        password as "newPassword": Candidate,
        confirmation as "confirmNewPassword": PasswordConfirmation,
    }
}

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let (password, reverified) = read(&call, &principal, Some(principal.user())).await?;
    answer_if_shown(call.auth().new_passwords.set(reverified.own(), password).await?.user.as_ref())
}

pub(crate) async fn remove(principal: Principal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &principal).await?;
    answer_if_shown(call.auth().new_passwords.remove(reverified.own()).await?.user.as_ref())
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    // The password must not be its owner's name or address, so they are looked up first; that there is no such
    // user is told last.
    let user = user_or_nobody(&call);
    let owner = match call.auth().accounts.show(&staff, user).await {
        Ok(owner) => Some(owner),
        Err(ChangeError::Refused(Refusal::Gone)) => None,
        Err(error) => return Err(error.into()),
    };
    let (password, reverified) = read(&call, &staff, owner.as_ref()).await?;
    answer_if_shown(call.auth().new_passwords.set(reverified.of(user), password).await?.user.as_ref())
}

async fn read<C: AsRef<Principal> + Clone>(
    call: &Call,
    caller: &C,
    owner: Option<&User>,
) -> Result<(NewPassword, Reverified<C>), ApiError> {
    let personal = owner.map(|owner| vec![owner.username.as_str().to_owned(), owner.email.as_str().to_owned()]);
    let fields = call.fields().await?.of_user(personal.unwrap_or_default());
    let (body, proof): (PasswordChange, _) = read_with_proof(fields, caller)?;
    body.confirmation.confirms(&body.password)?;
    let reverified = proof.verify(call, caller).await?;
    match estimated(call, "newPassword", body.password).await {
        Ok(password) => Ok((password, reverified)),
        Err(error) => {
            call.auth().reverification.withdraw(reverified).await?;
            Err(error)
        }
    }
}
