//! `PUT /users/me/username` and `PUT /users/{uid}/username`.

use thunderhead_auth::changes::Reverified;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::user::Username;

use crate::access::call::Call;
use crate::api::accounts::answer;
use crate::api::error::{ApiError, ApiResult};
use crate::api::fields::NewUsername;
use crate::api::identity::body_and_proof;
use crate::api::path::user_or_nobody;
use crate::request::body::body;

body! {
    pub(crate) struct UsernameChange {
        username: NewUsername,
    }
}

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let (name, reverified) = read(&call, &principal).await?;
    answer(&call.auth().accounts.rename(reverified.own(), name).await?)
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let (name, reverified) = read(&call, &staff).await?;
    let user = user_or_nobody(&call);
    answer(&call.auth().accounts.rename(reverified.of(user), name).await?)
}

async fn read<C: AsRef<Principal> + Clone>(call: &Call, caller: &C) -> Result<(Username, Reverified<C>), ApiError> {
    let (UsernameChange { username }, proof) = body_and_proof(call, caller).await?;
    let name = username.parse()?;
    Ok((name, proof.verify(call, caller).await?))
}
