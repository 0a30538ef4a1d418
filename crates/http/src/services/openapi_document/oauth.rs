//! The endpoints that OAuth knows.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::api::error::ApiError;
use crate::api::fields::TOKEN;
use crate::openapi::doc::Tag;
use crate::openapi::errors::{self, DocumentedError};
use crate::openapi::headers::{of_status, of_success, uncounted};
use crate::services::introspect::{ActiveToken, InactiveToken};
use crate::services::metadata::ServerMetadata;
use crate::services::oauth::OauthError;
use crate::services::openapi_document::errors::errors_of;

pub(super) const SERVICES: Tag = Tag {
    name: "Other services",
    text: "What services and proxies ask about the requests of their own clients: see `docs/OPERATIONS.md`.",
};
const NO_TOKEN: &str = "`invalid_request`: there is no token.";

pub(super) fn introspect(generator: &mut SchemaGenerator) -> Value {
    let mut fields = fields("What the service was shown.");
    fields["client_id"] = text("The service's id, where it does not authenticate by `Authorization`.");
    fields["client_secret"] = text("Its secret.");
    let active = generator.subschema_for::<ActiveToken<'_>>();
    let told = json(json!({"oneOf": [active, generator.subschema_for::<InactiveToken>()]}));
    let error = json(generator.subschema_for::<OauthError>().to_value());
    let refused =
        |text: &str, more: &[&str]| json!({"description": text, "headers": uncounted(more), "content": error});
    let mut responses = Map::new();
    let mut put = |status: &str, answer| responses.insert(status.to_owned(), answer);
    put("200", json!({"description": "What the token is good for.", "headers": uncounted(&[]), "content": told}));
    put("400", refused(NO_TOKEN, &[]));
    put("401", refused("`invalid_client`: there is no such service, or its secret is wrong.", &["WWW-Authenticate"]));
    responses.extend(errors_of(&[&ApiError::BodyTooLarge, &ApiError::Internal, &ApiError::Unavailable]));
    json!({
        "tags": [SERVICES.name],
        "summary": "Ask whose token it is, and what it may do",
        "description": "Token introspection (RFC 7662), for services that `thunderhead service create` has made. It \
                        tells nothing of kill switches.",
        "operationId": "introspectToken",
        "security": [{"service": []}, {}],
        "requestBody": form(&fields),
        "responses": responses,
    })
}

pub(super) fn revoke(generator: &mut SchemaGenerator) -> Value {
    let error = json(generator.subschema_for::<OauthError>().to_value());
    let done = json!({"description": "The token is good for nothing.", "headers": of_success(200, &[])});
    let refused = json!({"description": NO_TOKEN, "headers": of_status(400), "content": error});
    let mut responses = Map::new();
    responses.insert("200".to_owned(), done);
    responses.insert("400".to_owned(), refused);
    let others = [ApiError::BodyTooLarge, ApiError::RateLimited, ApiError::Internal, ApiError::Unavailable];
    responses.extend(errors::answers(&others.each_ref().map(DocumentedError::from)));
    json!({
        "tags": [SERVICES.name],
        "summary": "End the session of a token",
        "description": "Token revocation (RFC 7009). Whoever has the token may end its session, under every kill switch; \
                        nothing else is asked for, and what a client shows of itself is left aside. A token that is \
                        unknown, of another kind or over already is a 200, too. Counted by the limit of revocations, per \
                        session that the token stands for.",
        "operationId": "revokeToken",
        "security": [],
        "requestBody": form(&fields("What is to be ended.")),
        "responses": responses,
    })
}

pub(super) fn metadata(generator: &mut SchemaGenerator) -> Value {
    let found = json!({
        "description": "Success.",
        "headers": uncounted(&[]),
        "content": json(generator.subschema_for::<ServerMetadata>().to_value()),
    });
    let mut responses = Map::new();
    responses.insert("200".to_owned(), found);
    responses.extend(errors::answers(&[DocumentedError::from(&ApiError::InvalidEndpoint)]));
    responses.extend(errors_of(&[&ApiError::RateLimited]));
    json!({
        "tags": [SERVICES.name],
        "summary": "Look up where the endpoints are",
        "description": "Authorization server metadata (RFC 8414). There are some where the setting `issuer` is an `https` URL; \
                        where that has a path, they stand at the same path behind this one, and nothing stands here. \
                        `response_types_supported`, which the RFC requires, is left out: nobody is authorized here by a \
                        redirect, and a list of none may not be sent. There are no ID tokens either, and so no \
                        `openid-configuration`.",
        "operationId": "getServerMetadata",
        "security": [],
        "responses": responses,
    })
}

fn fields(token: &str) -> Value {
    json!({"token": text(token), "token_type_hint": text("Makes no difference.")})
}

fn text(text: &str) -> Value {
    json!({"type": "string", "description": text})
}

fn form(fields: &Value) -> Value {
    let schema = json!({"type": "object", "required": ["token"], "properties": fields, "additionalProperties": false});
    let content = json!({"application/x-www-form-urlencoded": {"schema": schema, "example": {"token": TOKEN}}});
    json!({"required": true, "content": content})
}

fn json(schema: impl Into<Value>) -> Value {
    json!({"application/json": {"schema": schema.into()}})
}
