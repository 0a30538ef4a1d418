//! `GET /`: to the account, or to the sign-in page.

use thunderhead_domain::authorization::LoginCaller;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::see_other;
use crate::pages::login::is_signed_in;

pub(super) async fn lead_on(caller: LoginCaller, call: Call) -> PageResult {
    Ok(see_other(call.request(), if is_signed_in(&caller) { "/account" } else { "/login" }))
}
