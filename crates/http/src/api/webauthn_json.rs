//! The structures of WebAuthn as JSON, by their names in the standard (Web Authentication Level 3, section 5.1): what
//! there always is, in forms that the types of browsers agree with. The standard says what else there may be.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::request::body::{Field, Notes, Object, component};
use crate::wire::value_schemas;

/// The id of a key.
const KEY: &str = "Xw8bM1hQ2p0";

/// A new key's `RegistrationResponseJSON`.
pub(crate) struct RegistrationResponse(pub(crate) Object);

impl Field for RegistrationResponse {
    fn read(value: Value, notes: &mut Notes) -> Option<Self> {
        Object::read(value, notes).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let fields = json!({
            "clientDataJSON": base64url(),
            "attestationObject": base64url(),
            "transports": {"type": "array", "items": {"type": "string"}},
        });
        let example = json!({
            "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIn0",
            "attestationObject": "o2NmbXRkbm9uZQ",
            "transports": ["usb"],
        });
        let schema = credential(&fields, &["clientDataJSON", "attestationObject"], &example);
        component(generator, "RegistrationResponseJSON", schema)
    }
}

/// A known key's `AuthenticationResponseJSON`.
pub(crate) fn authentication_response(generator: &mut SchemaGenerator) -> Schema {
    let fields = json!({
        "clientDataJSON": base64url(),
        "authenticatorData": base64url(),
        "signature": base64url(),
        "userHandle": base64url(),
    });
    let example = json!({
        "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0",
        "authenticatorData": "o3mm9u6vuaVeN4wRgDTidR5oL6ufLTCrE9ISVYbOGUcBAAAAAg",
        "signature": "MEUCIQDkSmqVm6",
    });
    let schema = credential(&fields, &["clientDataJSON", "authenticatorData", "signature"], &example);
    component(generator, "AuthenticationResponseJSON", schema)
}

fn credential(response: &Value, required: &[&str], example: &Value) -> Value {
    json!({
        "type": "object",
        "description": "As the credential's `toJSON()` makes it.",
        "required": ["id", "rawId", "type", "response"],
        "properties": {
            "id": base64url(),
            "rawId": base64url(),
            "type": {"const": "public-key"},
            "response": {"type": "object", "required": required, "properties": response},
        },
        "examples": [{"id": KEY, "rawId": KEY, "type": "public-key", "response": example}],
    })
}

/// What a browser is to ask a known key, as a type.
pub(crate) enum RequestOptions {}

impl JsonSchema for RequestOptions {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RequestOptions".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        request_options(generator)
    }
}

/// What a browser is to ask a known key: a `PublicKeyCredentialRequestOptionsJSON`.
pub(crate) fn request_options(generator: &mut SchemaGenerator) -> Schema {
    let schema = json!({
        "type": "object",
        "required": ["challenge", "rpId", "allowCredentials", "userVerification"],
        "properties": {
            "challenge": base64url(),
            "timeout": timeout(),
            "rpId": {"type": "string"},
            "allowCredentials": descriptors(),
            "userVerification": need(),
            "extensions": {
                "type": "object",
                "properties": {"appid": {"type": "string"}, "uvm": {"type": "boolean"}},
            },
        },
        "examples": [request_options_example()],
    });
    component(generator, "PublicKeyCredentialRequestOptionsJSON", schema)
}

pub(crate) fn request_options_example() -> Value {
    json!({
        "challenge": "Hk3vJmZ1l0sXo3yq8b2t5d7f9g1h3j5k7l9z1x3c5v8",
        "timeout": 300_000,
        "rpId": "auth.example",
        "allowCredentials": [{"type": "public-key", "id": KEY}],
        "userVerification": "discouraged",
    })
}

value_schemas! {
    /// A `PublicKeyCredentialCreationOptionsJSON`: what a browser is to ask a new key.
    CreationOptions: {
        "type": "object",
        "required": ["rp", "user", "challenge", "pubKeyCredParams"],
        "properties": {
            "rp": {
                "type": "object",
                "required": ["id", "name"],
                "properties": {"id": {"type": "string"}, "name": {"type": "string"}},
                "examples": [{"id": "auth.example", "name": "Thunderhead"}],
            },
            "user": {
                "type": "object",
                "required": ["id", "name", "displayName"],
                "properties": {"id": base64url(), "name": {"type": "string"}, "displayName": {"type": "string"}},
                "examples": [{"id": "C29PXnwqTY6aUT8MaisNFA", "name": "ada", "displayName": "ada"}],
            },
            "challenge": {"type": "string", "examples": ["uGMbv4t1wqjS0K3nWbWn0m3Nq0m1f9m0lq8m2g0bYVQ"]},
            "pubKeyCredParams": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["type", "alg"],
                    "properties": {"type": {"const": "public-key"}, "alg": {"type": "integer", "examples": [-7]}},
                },
            },
            "timeout": timeout(),
            "excludeCredentials": descriptors(),
            "authenticatorSelection": {
                "type": "object",
                "properties": {
                    "authenticatorAttachment": {"enum": ["platform", "cross-platform"]},
                    "residentKey": need(),
                    "requireResidentKey": {"type": "boolean", "examples": [false]},
                    "userVerification": need(),
                },
            },
            "attestation": {"type": "string", "examples": ["none"]},
            "extensions": {
                "type": "object",
                "properties": {"credProps": {"type": "boolean"}, "uvm": {"type": "boolean"}},
                "examples": [{"credProps": true, "uvm": true}],
            },
        },
    };
}

fn base64url() -> Value {
    json!({"type": "string", "description": "Base64url."})
}

fn timeout() -> Value {
    json!({"type": "integer", "description": "Milliseconds.", "examples": [300_000]})
}

fn need() -> Value {
    json!({"enum": ["required", "preferred", "discouraged"], "examples": ["discouraged"]})
}

/// Keys by their ids.
fn descriptors() -> Value {
    let properties = json!({
        "type": {"const": "public-key"},
        "id": base64url(),
        "transports": {"type": "array", "items": {"type": "string"}},
    });
    json!({
        "type": "array",
        "items": {"type": "object", "required": ["type", "id"], "properties": properties},
        "examples": [[{"type": "public-key", "id": KEY}]],
    })
}
