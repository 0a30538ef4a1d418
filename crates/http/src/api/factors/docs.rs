//! Documentation of the endpoints of second factors: one's own, and for staff those of users.

use serde_json::Value;

use crate::api::error::ApiError;
use crate::api::factors::list::FactorItem;
use crate::api::factors::remove::SecondFactorIds;
use crate::api::factors::totp::TotpConfirmation;
use crate::api::factors::webauthn::WebauthnConfirmation;
use crate::api::tags;
use crate::api::wire::{
    BackupCodes, DeleteSecondFactor, DeleteSecondFactors, FactorBody, FactorEnrolled, ListBody, PasskeyOfferBody,
    TotpOfferBody, WebauthnOfferBody,
};
use crate::openapi::doc::{Doc, Success, Tag};
use crate::openapi::parameters;
use crate::request::body::RequestBody;

const OWN: Tag = tags::FACTORS;
const STAFF: Tag = tags::STAFF_FACTORS;
const LIST: Success = Success::ok::<ListBody<FactorItem>>("A page of the factors, newest first.");
const SHOWN: Success = Success::ok::<FactorBody>("The factor.");
const ENROLLED: Success = Success::created::<FactorEnrolled>("The factor counts from now on.");
const REMOVED: Success = Success::ok::<DeleteSecondFactor>("The factor is gone.");
const REMOVED_SOME: Success = Success::ok::<DeleteSecondFactors>("They are gone.");
const LAST: &str = "With the last factor the backup codes are void.";

pub(crate) fn totp_begin() -> Doc {
    let success = Success::ok::<TotpOfferBody>("What the authenticator app is to be told.");
    Doc::new("beginTotpEnrolment", OWN, "Begin to enrol an authenticator app", success)
        .text("The factor counts once its first code has been sent to `confirm`, within five minutes.")
}

pub(crate) fn totp_confirm() -> Doc {
    confirmation(
        Doc::new("confirmTotpEnrolment", OWN, "Enrol an authenticator app", ENROLLED).body(TotpConfirmation::schema),
    )
}

pub(crate) fn webauthn_begin() -> Doc {
    let success = Success::ok::<WebauthnOfferBody>("What the browser is to ask the security key.");
    Doc::new("beginWebauthnEnrolment", OWN, "Begin to enrol a security key", success).text(
        "The answer is a `PublicKeyCredentialCreationOptionsJSON` with a token beside it: see \
         `PublicKeyCredential.parseCreationOptionsFromJSON`.",
    )
}

pub(crate) fn webauthn_confirm() -> Doc {
    confirmation(
        Doc::new("confirmWebauthnEnrolment", OWN, "Enrol a security key", ENROLLED).body(WebauthnConfirmation::schema),
    )
}

pub(crate) fn passkey_begin() -> Doc {
    let success = Success::ok::<PasskeyOfferBody>("What the browser is to ask for.");
    Doc::new("beginPasskeyEnrolment", OWN, "Begin to enrol a passkey", success).text(
        "As for a security key, but the key is found again without being named, and verifies its user. It also counts \
         as a second factor, wherever a security key does.",
    )
}

pub(crate) fn passkey_confirm() -> Doc {
    confirmation(
        Doc::new("confirmPasskeyEnrolment", OWN, "Enrol a passkey", ENROLLED).body(WebauthnConfirmation::schema),
    )
}

pub(crate) fn backup() -> Doc {
    let success = Success::created::<BackupCodes>("Ten codes, each good for once. They are shown this once.");
    Doc::new("renewMyBackupCodes", OWN, "Make new backup codes", success)
        .text("The old ones are void. A user without a factor is answered with `InvalidSecondFactorMethod`.")
}

pub(crate) fn own_list() -> Doc {
    Doc::new("listMySecondFactors", OWN, "List the second factors", LIST).parameters(parameters::page())
}

pub(crate) fn own_show() -> Doc {
    Doc::new("getMySecondFactor", OWN, "Show a second factor", SHOWN)
}

pub(crate) fn own_remove() -> Doc {
    Doc::new("removeMySecondFactor", OWN, "Remove a second factor", REMOVED).text(LAST).parameters([end_others()])
}

pub(crate) fn own_remove_some() -> Doc {
    let doc = Doc::new("removeMySecondFactors", OWN, "Remove some second factors", REMOVED_SOME);
    some(doc.parameters([end_others()]))
}

pub(crate) fn own_remove_all() -> Doc {
    Doc::new("removeAllMySecondFactors", OWN, "Remove all second factors", REMOVED_SOME)
        .text(LAST)
        .parameters([end_others()])
}

pub(crate) fn staff_list() -> Doc {
    Doc::new("listSecondFactorsOfUser", STAFF, "List a user's second factors", LIST).parameters(parameters::page())
}

pub(crate) fn staff_show() -> Doc {
    Doc::new("getSecondFactorOfUser", STAFF, "Show a user's second factor", SHOWN)
}

pub(crate) fn staff_remove() -> Doc {
    Doc::new("removeSecondFactorOfUser", STAFF, "Remove a user's second factor", REMOVED).text(LAST)
}

pub(crate) fn staff_remove_some() -> Doc {
    some(Doc::new("removeSecondFactorsOfUser", STAFF, "Remove some of a user's second factors", REMOVED_SOME))
}

pub(crate) fn staff_remove_all() -> Doc {
    Doc::new("removeAllSecondFactorsOfUser", STAFF, "Remove all of a user's second factors", REMOVED_SOME).text(LAST)
}

fn end_others() -> Value {
    parameters::flag("end-others", "Whether all other sessions of the user end with the change.")
}

fn confirmation(doc: Doc) -> Doc {
    doc.parameters([end_others()]).text(
        "With the first factor come ten backup codes, shown this once, and offers that were made before it are over. \
         Who has 20 factors is answered with `InvalidSecondFactorMethod`, and the offer stays good.",
    )
    .errors([ApiError::MalformedSecondFactor, ApiError::InvalidSecondFactorMethod, ApiError::RefusedSecondFactor])
}

fn some(doc: Doc) -> Doc {
    doc.text(LAST).body(SecondFactorIds::schema).errors([ApiError::TooManyIds])
}
