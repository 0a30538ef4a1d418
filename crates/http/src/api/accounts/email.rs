//! `PUT /users/me/email` and `PUT /users/{uid}/email`.

use thunderhead_auth::changes::Reverified;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::user::EmailAddress;

use crate::access::call::Call;
use crate::api::accounts::answer;
use crate::api::error::{ApiError, ApiResult};
use crate::api::fields::NewEmail;
use crate::api::identity::body_and_proof;
use crate::api::path::user_or_nobody;
use crate::request::body::body;

body! {
    pub(crate) struct EmailChange {
        email: NewEmail,
    }
}

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let (email, reverified) = read(&call, &principal).await?;
    answer(&call.auth().accounts.set_email(reverified.own(), email).await?)
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let (email, reverified) = read(&call, &staff).await?;
    let user = user_or_nobody(&call);
    answer(&call.auth().accounts.set_email(reverified.of(user), email).await?)
}

async fn read<C: AsRef<Principal> + Clone>(call: &Call, caller: &C) -> Result<(EmailAddress, Reverified<C>), ApiError> {
    let (EmailChange { email }, proof) = body_and_proof(call, caller).await?;
    let email = email.parse()?;
    Ok((email, proof.verify(call, caller).await?))
}
