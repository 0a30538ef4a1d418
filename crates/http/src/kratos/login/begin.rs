//! `GET /auth/self-service/login/api` and `…/browser`.

use thunderhead_domain::authorization::{LoginCaller, PresentedSession};

use crate::access::call::Call;
use crate::kratos::error::{KratosError, KratosResult};
use crate::kratos::login::check_live;
use crate::kratos::place;
use crate::kratos::wire::{FlowBody, shown};
use crate::request::query::{flag, texts};

pub(crate) async fn native(caller: LoginCaller, call: Call) -> KratosResult {
    begin(&caller, &call, false)
}

pub(crate) async fn browser(caller: LoginCaller, call: Call) -> KratosResult {
    begin(&caller, &call, true)
}

fn begin(caller: &LoginCaller, call: &Call, browser: bool) -> KratosResult {
    let aal2 = match texts(call.request(), "aal").first().map(String::as_str) {
        None | Some("" | "aal1") => false,
        Some("aal2") => true,
        Some(_) => return Err(KratosError::Malformed("aal", "aal1 or aal2")),
    };
    let refresh = flag(call.request(), &["refresh"]);
    match caller.presented() {
        PresentedSession::Live(authenticated) => check_live(authenticated, aal2, refresh)?,
        PresentedSession::Nothing if aal2 => return Err(KratosError::Unauthenticated),
        PresentedSession::Nothing | PresentedSession::SecondFactorPending(_) => {}
    }
    let flow = call.auth().flows.begin(browser, aal2, refresh);
    Ok(shown(&FlowBody::new(&flow, &place::url(call, ""), None)))
}
