//! The structures of second factors.

use serde_json::{Value, json};
use thunderhead_auth::credentials::backup;
use thunderhead_domain::factor::FactorName;

use crate::api::fields::TOKEN;
use crate::api::schemas::{moment, moment_or_null, object};

const ID: &str = "0191f2a4-8b1c-4def-8000-00000000002a";
const CODE: &str = "MFRGG2-DFMZTW-Q2LKNM-YTCMJR";

fn id() -> Value {
    json!({"type": "string", "format": "uuid"})
}

fn name() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": FactorName::MAX})
}

fn kind() -> Value {
    json!({"enum": ["totp", "webauthn"]})
}

fn offer_token() -> Value {
    json!({"type": "string", "description": "For the confirmation."})
}

fn offer_expiry() -> Value {
    json!({"type": "integer", "description": "When it stops being good, in Unix seconds."})
}

pub(crate) fn item() -> Value {
    object(json!({"id": id(), "name": name()}), &item_example())
}

pub(crate) fn item_example() -> Value {
    json!({"id": ID, "name": "My phone"})
}

pub(crate) fn factor() -> Value {
    let properties = json!({
        "id": id(),
        "name": name(),
        "type": kind(),
        "usedAt": moment_or_null("When it last proved something; its enrolment counts."),
        "createdAt": moment("When it was enrolled."),
        "updatedAt": moment("When it last changed; to be used changes it."),
    });
    let example = json!({
        "id": ID,
        "name": "My phone",
        "type": "totp",
        "usedAt": "2026-01-02T08:30:00.000Z",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": "2026-01-02T08:30:00.000Z",
    });
    object(properties, &example)
}

pub(crate) fn totp_offer() -> Value {
    let properties = json!({
        "token": offer_token(),
        "exp": offer_expiry(),
        "type": {"const": "totp"},
        "secret": {"type": "string", "pattern": "^[A-Z2-7]{32}$", "description": "Base32. It is shown this once."},
        "algorithm": {"const": "SHA1"},
        "digits": {"const": 6},
        "period": {"const": 30, "description": "Seconds."},
        "uri": {"type": "string", "description": "The same as apps read it from a picture (`otpauth://`)."},
    });
    let example = json!({
        "token": TOKEN,
        "exp": 1_767_226_500,
        "type": "totp",
        "secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        "algorithm": "SHA1",
        "digits": 6,
        "period": 30,
        "uri": "otpauth://totp/Thunderhead:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Thunderhead",
    });
    object(properties, &example)
}

/// The standard says what else there may be.
pub(crate) fn webauthn_offer() -> Value {
    let properties = json!({
        "token": offer_token(),
        "exp": offer_expiry(),
        "type": {"const": "webauthn"},
        "rp": {"type": "object"},
        "user": {"type": "object"},
        "challenge": {"type": "string", "description": "Base64url."},
        "pubKeyCredParams": {"type": "array", "items": {"type": "object"}},
    });
    let example = json!({
        "token": TOKEN,
        "exp": 1_767_226_500,
        "type": "webauthn",
        "rp": {"id": "auth.example", "name": "Thunderhead"},
        "user": {"id": "C29PXnwqTY6aUT8MaisNFA", "name": "ada", "displayName": "ada"},
        "challenge": "uGMbv4t1wqjS0K3nWbWn0m3Nq0m1f9m0lq8m2g0bYVQ",
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
        "timeout": 300_000,
        "attestation": "none",
    });
    object(properties, &example)
}

/// What a browser is to ask a security key at a login.
pub(crate) fn request_options_example() -> Value {
    json!({
        "challenge": "Hk3vJmZ1l0sXo3yq8b2t5d7f9g1h3j5k7l9z1x3c5v8",
        "rpId": "auth.example",
        "allowCredentials": [{"type": "public-key", "id": "Xw8bM1hQ2p0"}],
        "userVerification": "discouraged",
        "timeout": 300_000,
    })
}

pub(crate) fn enrolled() -> Value {
    let properties = json!({"id": id(), "name": name(), "type": kind()});
    let example = json!({"id": ID, "name": "My phone", "type": "totp", "codes": [CODE]});
    let mut schema = object(properties, &example);
    schema["properties"]["codes"] = codes();
    schema
}

pub(crate) fn backup_codes() -> Value {
    object(json!({"codes": codes()}), &json!({"codes": [CODE]}))
}

fn codes() -> Value {
    json!({
        "type": "array",
        "description": format!("{} backup codes, each good for once.", backup::CODES),
        "items": {"type": "string", "pattern": "^[A-Z2-7]{6}(-[A-Z2-7]{6}){3}$"},
    })
}
