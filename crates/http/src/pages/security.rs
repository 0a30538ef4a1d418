//! `/account/security`: password, name, address, second factors and backup codes. What changes any of it wants a session
//! that was confirmed a short while ago.

pub(super) mod codes;
pub(super) mod details;
pub(super) mod factors;
pub(super) mod overview;
pub(super) mod qr;
pub(super) mod totp;
pub(super) mod webauthn;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::see_other;

/// Where it all is.
const OVERVIEW: &str = "/account/security";

/// `/.well-known/change-password` (W3C).
pub(super) async fn lead_on(call: Call) -> PageResult {
    Ok(see_other(call.request(), OVERVIEW))
}
