//! Documentation of the endpoints of second factors: one's own, and for staff those of users.

use serde_json::json;

use crate::api::error::ApiError;
use crate::api::fields;
use crate::openapi::doc::{Doc, Field, Success, Tag};
use crate::openapi::parameters;

const OWN: Tag = Tag::Factors;
const STAFF: Tag = Tag::StaffFactors;
const LIST: Success = Success::ok("SecondFactorList", "A page of the factors, newest first.");
const SHOWN: Success = Success::ok("SecondFactor", "The factor.");
const ENROLLED: Success = Success::created("SecondFactorEnrolled", "The factor counts from now on.");
const REMOVED: Success = Success::ok("DeleteSecondFactor", "The factor is gone.");
const REMOVED_SOME: Success = Success::ok("DeleteSecondFactors", "They are gone.");
const LAST: &str = "With the last factor the backup codes are void.";

pub(crate) fn totp_begin() -> Doc {
    let success = Success::ok("TotpOffer", "What the authenticator app is to be told.");
    Doc::new(OWN, "Begin to enrol an authenticator app", success)
        .text("The factor counts once its first code has been sent to `confirm`, within five minutes.")
}

pub(crate) fn totp_confirm() -> Doc {
    let code = json!({"type": "string", "description": "Six digits.", "examples": ["123456"]});
    confirmation(Doc::new(OWN, "Enrol an authenticator app", ENROLLED), Field::always("code", code))
}

pub(crate) fn webauthn_begin() -> Doc {
    let success = Success::ok("WebauthnOffer", "What the browser is to ask the security key.");
    Doc::new(OWN, "Begin to enrol a security key", success).text(
        "The answer is a `PublicKeyCredentialCreationOptionsJSON` with a token beside it: see \
         `PublicKeyCredential.parseCreationOptionsFromJSON`.",
    )
}

pub(crate) fn webauthn_confirm() -> Doc {
    let text = "A `RegistrationResponseJSON`, as the credential's `toJSON()` makes it.";
    let response = json!({"type": "object", "description": text});
    confirmation(Doc::new(OWN, "Enrol a security key", ENROLLED), Field::always("response", response))
}

pub(crate) fn backup() -> Doc {
    let success = Success::created("BackupCodes", "Ten codes, each good for once. They are shown this once.");
    Doc::new(OWN, "Make new backup codes", success)
        .text("The old ones are void. A user without a factor is answered with `InvalidSecondFactorMethod`.")
}

pub(crate) fn own_list() -> Doc {
    Doc::new(OWN, "List the second factors", LIST).parameters(parameters::page())
}

pub(crate) fn own_show() -> Doc {
    Doc::new(OWN, "Show a second factor", SHOWN)
}

pub(crate) fn own_remove() -> Doc {
    Doc::new(OWN, "Remove a second factor", REMOVED).text(LAST)
}

pub(crate) fn own_remove_some() -> Doc {
    some(Doc::new(OWN, "Remove some second factors", REMOVED_SOME))
}

pub(crate) fn own_remove_all() -> Doc {
    Doc::new(OWN, "Remove all second factors", REMOVED_SOME).text(LAST)
}

pub(crate) fn staff_list() -> Doc {
    Doc::new(STAFF, "List a user's second factors", LIST).parameters(parameters::page())
}

pub(crate) fn staff_show() -> Doc {
    Doc::new(STAFF, "Show a user's second factor", SHOWN)
}

pub(crate) fn staff_remove() -> Doc {
    Doc::new(STAFF, "Remove a user's second factor", REMOVED).text(LAST)
}

pub(crate) fn staff_remove_some() -> Doc {
    some(Doc::new(STAFF, "Remove some of a user's second factors", REMOVED_SOME))
}

pub(crate) fn staff_remove_all() -> Doc {
    Doc::new(STAFF, "Remove all of a user's second factors", REMOVED_SOME).text(LAST)
}

/// What every confirmation brings, and what is of its own.
fn confirmation(doc: Doc, shown: Field) -> Doc {
    let token = json!({"type": "string", "description": "The token of the offer."});
    doc.text(
        "With the first factor come ten backup codes, shown this once, and offers that were made before it are over. \
         Who has 20 factors is answered with `InvalidSecondFactorMethod`, and the offer stays good.",
    )
    .fields([Field::always("token", token), fields::factor_name(), shown])
    .errors([ApiError::MalformedSecondFactor, ApiError::InvalidSecondFactorMethod, ApiError::RefusedSecondFactor])
}

fn some(doc: Doc) -> Doc {
    doc.text(LAST)
        .fields([fields::ids("The factors' ids.", &json!(["0191f2a4-8b1c-4def-8000-00000000002a"]))])
        .errors([ApiError::TooManyIds])
}
