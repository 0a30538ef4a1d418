//! `POST /account/sessions/…`: one session is ended, or the others, or all. Nothing is asked: who is under attack must
//! get through.

use thunderhead_domain::authorization::Principal;
use thunderhead_domain::id::SessionId;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::see_other;
use crate::pages::logout::signed_out;
use crate::pages::notice::Notice;

/// Where the list is.
const LIST: &str = "/account/sessions";

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
    let mut response = see_other(call.request(), LIST);
    let notice = if ended { Notice::SessionEnded } else { Notice::SessionOver };
    notice.write(&call, &mut response);
    Ok(response)
}

pub(crate) async fn others(principal: Principal, call: Call) -> PageResult {
    let count = call.auth().sessions.own(&principal).end_others().await?;
    let mut response = see_other(call.request(), LIST);
    Notice::OthersEnded(count).write(&call, &mut response);
    Ok(response)
}

pub(crate) async fn all(principal: Principal, call: Call) -> PageResult {
    let count = call.auth().sessions.own(&principal).end_all().await?;
    Ok(signed_out(&call, Notice::AllEnded(count)))
}
