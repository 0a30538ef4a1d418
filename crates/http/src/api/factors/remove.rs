//! `DELETE /users/me/2fa/{fid}`, `DELETE /users/me/2fa` (those that `ids` names) and `DELETE /users/me/2fa/all`; and
//! the same under `/users/{uid}/2fa`.

use actix_web::HttpResponse;
use thunderhead_auth::changes::target::OtherUser;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::factor::{FactorChoice, FactorId, OtherSessions};

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::factors::{factor_id, others};
use crate::api::identity::body_and_proof;
use crate::api::ids::Ids;
use crate::api::path::user_or_nobody;
use crate::api::wire::{DeleteSecondFactor, DeleteSecondFactors};
use crate::request::body::{RequestBody, body};

body! {
    pub(crate) struct SecondFactorIds {
        ids: Ids<FactorId>,
    }
}

pub(crate) async fn own_one(principal: Principal, call: Call) -> ApiResult {
    own::<()>(principal, call, one).await
}

pub(crate) async fn own_some(principal: Principal, call: Call) -> ApiResult {
    own(principal, call, some).await
}

pub(crate) async fn own_all(principal: Principal, call: Call) -> ApiResult {
    own::<()>(principal, call, all).await
}

pub(crate) async fn one_of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    of_user::<()>(staff, call, one).await
}

pub(crate) async fn some_of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    of_user(staff, call, some).await
}

pub(crate) async fn all_of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    of_user::<()>(staff, call, all).await
}

fn one(call: &Call, (): ()) -> FactorChoice {
    FactorChoice::One(factor_id(call).unwrap_or(FactorId::NONE))
}

fn some(_call: &Call, named: SecondFactorIds) -> FactorChoice {
    FactorChoice::Some(named.ids.0)
}

fn all(_call: &Call, (): ()) -> FactorChoice {
    FactorChoice::All
}

async fn own<T: RequestBody>(principal: Principal, call: Call, choose: fn(&Call, T) -> FactorChoice) -> ApiResult {
    let (body, proof) = body_and_proof(&call, &principal).await?;
    let which = choose(&call, body);
    let reverified = proof.verify(&call, &principal).await?;
    let removed = call.auth().factors.remove(reverified.own(), which.clone(), others(&call)).await?;
    Ok(answer(&which, removed))
}

async fn of_user<T: RequestBody>(staff: StaffPrincipal, call: Call, choose: fn(&Call, T) -> FactorChoice) -> ApiResult {
    let other = OtherUser::than(&staff, user_or_nobody(&call));
    let (body, proof) = body_and_proof(&call, &staff).await?;
    let (which, other) = (choose(&call, body), other?);
    let reverified = proof.verify(&call, &staff).await?;
    let removed = call.auth().factors.remove(reverified.of(other), which.clone(), OtherSessions::Stay).await?;
    Ok(answer(&which, removed))
}

fn answer(which: &FactorChoice, removed: u64) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    match which {
        FactorChoice::One(_) => response.json(DeleteSecondFactor::new()),
        FactorChoice::Some(_) | FactorChoice::All => response.json(DeleteSecondFactors::new(removed)),
    }
}
