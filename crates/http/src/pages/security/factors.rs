//! `POST /account/security/factors/remove`.

use thunderhead_domain::authorization::Principal;
use thunderhead_domain::factor::{FactorChoice, FactorId};

use crate::access::call::Call;
use crate::pages::confirm::confirmed;
use crate::pages::error::PageResult;
use crate::pages::notice::Notice;
use crate::pages::security::details::done;
use crate::pages::security::others;

pub(crate) async fn remove(principal: Principal, call: Call) -> PageResult {
    let reverified = confirmed(&call, principal.clone())?;
    let fields = call.form().await?;
    let id: Option<FactorId> = fields.text("id").and_then(|id| id.parse().ok());
    let choice = FactorChoice::Some(id.into_iter().collect());
    let removed = call.auth().factors.remove(reverified.own(), choice, others(&fields)).await?;
    Ok(done(&call, if removed > 0 { Notice::FactorRemoved } else { Notice::FactorGone }))
}
