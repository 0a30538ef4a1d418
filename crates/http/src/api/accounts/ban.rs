//! `PUT /users/{uid}/ban` and `DELETE /users/{uid}/ban`.

use thunderhead_auth::changes::target::OtherUser;
use thunderhead_domain::authorization::StaffPrincipal;

use crate::access::call::Call;
use crate::api::accounts::answer_if_shown;
use crate::api::error::ApiResult;
use crate::api::fields::Reason;
use crate::api::identity::{body_and_proof, only_identity};
use crate::api::path::user_or_nobody;
use crate::request::body::body;

body! {
    pub(crate) struct Ban {
        reason: Option<Reason>,
    }
}

pub(crate) async fn put(staff: StaffPrincipal, call: Call) -> ApiResult {
    let other = OtherUser::than(&staff, user_or_nobody(&call));
    let (Ban { reason }, proof) = body_and_proof(&call, &staff).await?;
    let other = other?;
    let reverified = proof.verify(&call, &staff).await?;
    answer_if_shown(
        call.auth().accounts.ban(reverified.of(other), reason.map(|Reason(text)| text)).await?.user.as_ref(),
    )
}

pub(crate) async fn lift(staff: StaffPrincipal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &staff).await?;
    let user = user_or_nobody(&call);
    answer_if_shown(call.auth().accounts.unban(reverified.of(user)).await?.as_ref())
}
