//! The headers of answers.

use serde_json::{Value, json};

use crate::identity_headers::IdentityHeader;

/// The components, by name.
pub(super) fn components() -> Value {
    let number = json!({"type": "integer", "minimum": 0});
    let mut components = json!({
        "X-Request-ID": {
            "description": "The request's own id where it brought a fitting one, else a new UUID; it is in the server's log.",
            "required": true,
            "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
            "example": "6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20",
        },
        "RateLimit-Limit": {
            "description": "The most requests in one window. Absent, as its sisters are, where no limit looked at the request.",
            "schema": number,
            "example": 100,
        },
        "RateLimit-Remaining": {
            "description": "How many more requests this window admits.",
            "schema": number,
            "example": 99,
        },
        "RateLimit-Reset": {
            "description": "Seconds to the end of this window, rounded up.",
            "schema": number,
            "example": 60,
        },
        "X-RateLimit-Limit": {
            "description": "The same as `RateLimit-Limit`, for programs of the legacy dialect.",
            "schema": number,
            "example": 100,
        },
        "X-RateLimit-Remaining": {
            "description": "The same as `RateLimit-Remaining`, for programs of the legacy dialect.",
            "schema": number,
            "example": 99,
        },
        "X-RateLimit-Reset": {
            "description": "When this window ends, in Unix seconds, rounded up.",
            "schema": number,
            "example": 1_767_225_660,
        },
        "Deprecation": {
            "description": "Since when the endpoint is deprecated (RFC 9745).",
            "required": true,
            "schema": {"type": "string"},
            "example": "@1767225600",
        },
        "Link": {
            "description": "The endpoint's successor in the current dialect (RFC 8288).",
            "required": true,
            "schema": {"type": "string"},
            "example": "</api/users/me/sessions>; rel=\"successor-version\"",
        },
        "Retry-After": {
            "description": "Seconds after which to try again.",
            "schema": {"type": "integer", "minimum": 1},
            "example": 60,
        },
        "Link": {
            "description": "Where the other pages are (RFC 8288): `first`, `next`, `prev` and `last` as they exist.",
            "schema": {"type": "string"},
            "example": "</auth/sessions?page_size=250>; rel=\"first\"",
        },
        "X-Total-Count": {
            "description": "How many there are on all pages together.",
            "schema": number,
            "example": 3,
        },
        "X-Kratos-Authenticated-Identity-Id": {
            "description": "The user's uuid.",
            "schema": {"type": "string", "format": "uuid"},
            "example": "0b6f4f5e-7c2a-4d8e-9a51-3f0c6a2b7d14",
        },
        "Set-Cookie": {
            "description": "The session cookie: set by a browser's login, cleared by its logout, and by the 401 that a dead one earns.",
            "schema": {"type": "string"},
            "example": "__Host-thunderhead_session=MP2YWEMeM8MxjkGKpH4dqOQ4Q4DlSPaj; Path=/; HttpOnly; Secure; SameSite=Lax",
        },
        "Location": {
            "description": "Where a browser is led, which comes back from there.",
            "schema": {"type": "string", "format": "uri"},
            "example": "https://auth.example.org/login?rd=https%3A%2F%2Fapp.example.org%2F",
        },
        "WWW-Authenticate": {
            "description": "How to authenticate, or what must be shown besides (RFC 9470).",
            "schema": {"type": "string"},
            "example": "Bearer",
        },
    });
    for header in IdentityHeader::ALL {
        components[header.default_name()] = identity(header);
    }
    components
}

/// What `/forward-auth` tells in a header, whose name is a setting.
fn identity(header: IdentityHeader) -> Value {
    let (text, kind, example) = match header {
        IdentityHeader::UserId => ("The user's id.", "string", json!("1767225600000")),
        IdentityHeader::UserName => ("The user's name.", "string", json!("ada")),
        IdentityHeader::UserStaff => ("Whether the session carries staff power.", "boolean", json!(false)),
        IdentityHeader::SessionId => ("The session's id.", "string", json!("1767225600")),
        IdentityHeader::SessionScopes => {
            ("Names of scopes, separated by spaces, or `FULL` for all rights.", "string", json!("FULL"))
        }
        IdentityHeader::AuthTime => {
            ("When the session had last been proved, in Unix seconds.", "integer", json!(1_767_225_600))
        }
        IdentityHeader::AuthMethods => ("How it was proved (RFC 8176).", "string", json!("pwd otp mfa")),
        IdentityHeader::AuthLevel => ("How well it was proved: `aal2` is by two factors.", "string", json!("aal2")),
    };
    json!({"description": text, "schema": {"type": kind}, "example": example})
}
