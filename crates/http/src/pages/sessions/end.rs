//! `POST /account/sessions/…`: one session is ended, or the others, or all. Nothing is asked: who is under attack must
//! get through.

use thunderhead_domain::authorization::Principal;
use thunderhead_domain::id::SessionId;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::see_other_saying;
use crate::pages::logout::signed_out;
use crate::pages::notice::Notice;
use crate::pages::sessions::LIST;

pub(crate) async fn one(principal: Principal, call: Call) -> PageResult {
    let fields = call.form().await?;
    let id: Option<SessionId> = fields.text("id").and_then(|id| id.parse().ok());
    let own = call.auth().sessions.own(&principal);
    let ended = match id {
        Some(id) => own.end(id).await?,
        None => false,
    };
    if ended && id == Some(principal.session().id) {
        return Ok(signed_out(&call, Notice::SignedOut));
    }
    Ok(see_other_saying(&call, LIST, if ended { Notice::SessionEnded } else { Notice::SessionOver }))
}

pub(crate) async fn others(principal: Principal, call: Call) -> PageResult {
    let count = call.auth().sessions.own(&principal).end_others().await?;
    Ok(see_other_saying(&call, LIST, Notice::OthersEnded(count)))
}

pub(crate) async fn all(principal: Principal, call: Call) -> PageResult {
    let count = call.auth().sessions.own(&principal).end_all().await?;
    Ok(signed_out(&call, Notice::AllEnded(count)))
}
