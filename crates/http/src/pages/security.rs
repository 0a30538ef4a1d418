//! `/account/security`: password, name, address, second factors and backup codes. What changes any of it wants a session
//! that was confirmed a short while ago.

pub(super) mod codes;
pub(super) mod details;
pub(super) mod factors;
pub(super) mod overview;
pub(super) mod qr;
pub(super) mod totp;
pub(super) mod webauthn;

use maud::Markup;
use thunderhead_domain::factor::OtherSessions;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::form::checkbox;
use crate::pages::layout::see_other;
use crate::request::body::Fields;

/// Where it all is.
const OVERVIEW: &str = "/account/security";

/// The field that asks for the end of all other sessions.
const END_OTHERS: &str = "end-others";

/// A box for who wants to be sure that nobody else is signed in.
fn end_others() -> Markup {
    checkbox(END_OTHERS, "End all other sessions", "Where you are signed in elsewhere, and tokens for programs", false)
}

/// What is to become of one's other sessions.
fn others(fields: &Fields) -> OtherSessions {
    OtherSessions::end_if(fields.has(END_OTHERS))
}

/// `/.well-known/change-password` (W3C).
pub(super) async fn lead_on(call: Call) -> PageResult {
    Ok(see_other(call.request(), OVERVIEW))
}
