//! `POST /account/tokens/end`.

use thunderhead_domain::authorization::Principal;
use thunderhead_domain::id::SessionId;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::see_other_saying;
use crate::pages::notice::Notice;
use crate::pages::tokens::LIST;

pub(crate) async fn one(principal: Principal, call: Call) -> PageResult {
    let fields = call.form().await?;
    let id: Option<SessionId> = fields.text("id").and_then(|id| id.parse().ok());
    let ended = match id {
        Some(id) => call.auth().sessions.own(&principal).end(id).await?,
        None => false,
    };
    Ok(see_other_saying(&call, LIST, if ended { Notice::TokenEnded } else { Notice::TokenOver }))
}
