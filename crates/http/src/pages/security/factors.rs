//! `POST /account/security/factors/remove`.

use thunderhead_auth::changes::ChangeError;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::change_authorization::Refusal;
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
    let notice = match call.auth().factors.remove(reverified.own(), choice, others(&fields)).await {
        Ok(0) => Notice::FactorGone,
        Ok(_) => Notice::FactorRemoved,
        Err(ChangeError::Refused(Refusal::PasskeysMissing)) => Notice::PasskeysNeeded,
        Err(error) => return Err(error.into()),
    };
    Ok(done(&call, notice))
}
