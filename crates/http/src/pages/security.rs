//! `/account/security`: password, name, address, second factors and backup codes. What changes any of it wants a session
//! that was confirmed a short while ago.

pub(super) mod codes;
pub(super) mod details;
pub(super) mod factors;
pub(super) mod overview;
pub(super) mod qr;
pub(super) mod totp;
pub(super) mod webauthn;

use thunderhead_auth::changes::Reverified;
use thunderhead_domain::authorization::Principal;

use crate::access::call::Call;
use crate::pages::error::{PageError, PageResult};
use crate::pages::layout::see_other;

/// Where it all is.
const OVERVIEW: &str = "/account/security";

/// `/.well-known/change-password` (W3C).
pub(super) async fn lead_on(call: Call) -> PageResult {
    Ok(see_other(call.request(), OVERVIEW))
}

/// What the caller may change, whose session is confirmed.
fn confirmed(call: &Call, principal: &Principal) -> Result<Reverified, PageError> {
    call.auth().confirmations.reverified(principal.clone()).ok_or(PageError::Confirm)
}
