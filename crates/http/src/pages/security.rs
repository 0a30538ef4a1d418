//! `/account/security`: password, name, address, second factors and backup codes. What changes any of it wants a session
//! that was confirmed a short while ago.

pub(in crate::pages) mod codes;
pub(super) mod details;
pub(super) mod factors;
pub(super) mod overview;
pub(super) mod qr;
pub(super) mod totp;
pub(super) mod webauthn;

use actix_web::HttpResponse;
use maud::Markup;
use serde_json::json;
use thunderhead_domain::factor::OtherSessions;

use crate::access::call::Call;
use crate::pages::error::{PageError, PageResult};
use crate::pages::form::checkbox;
use crate::pages::layout::see_other;
use crate::pages::{Kit, headers};
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

/// `/.well-known/webauthn`: origins elsewhere where the keys of this relying party may be used (WebAuthn level 3, section
/// 5.11).
pub(super) async fn related_origins(call: Call) -> PageResult {
    match call.auth().passkeys.related_origins() {
        [] => Err(PageError::NotFound),
        origins => {
            let mut response = HttpResponse::Ok().json(json!({"origins": origins}));
            headers::write(response.headers_mut(), Some(Kit::of(&call)?.site()), None);
            Ok(response)
        }
    }
}

/// `/.well-known/change-password` (W3C).
pub(super) async fn lead_on(call: Call) -> PageResult {
    Ok(see_other(call.request(), OVERVIEW))
}
