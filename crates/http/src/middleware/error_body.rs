//! Error bodies of the current dialect for errors that no handler made: those of the framework, and of the
//! layers in front of the routes (`docs/MODEL.md`, *Errors*).

use actix_web::http::StatusCode;

/// The body of every refusal by a rate limit.
pub(crate) const RATE_LIMITED: &str =
    r#"{"code":"RATELIMITED_ERROR","message":"You Have Been Ratelimited. Please Try Again Later."}"#;

/// The body of an outage.
pub(crate) const SERVICE_UNAVAILABLE: &str = r#"{"code":"SERVICE_UNAVAILABLE_ERROR","message":"Service Unavailable"}"#;

const MISSING_FIELDS: &str = r#"{"code":"MISSING_FIELDS_ERROR","message":"Missing Fields","fields":[]}"#;
const INVALID_SESSION: &str = r#"{"code":"INVALID_SESSION_ERROR","message":"Invalid Session"}"#;
const INSUFFICIENT_PERMISSIONS: &str =
    r#"{"code":"INSUFFICIENT_PERMISSIONS_ERROR","message":"Insufficient Permissions"}"#;
const INVALID_ENDPOINT: &str = r#"{"code":"INVALID_ENDPOINT_ERROR","message":"Invalid Endpoint"}"#;
const BODY_TOO_LARGE: &str = r#"{"code":"BODY_TOO_LARGE_ERROR","message":"Body Too Large"}"#;
const INTERNAL: &str = r#"{"code":"INTERNAL_SERVER_ERROR","message":"Internal Server Error"}"#;

/// The body for a bare status. A client error without a better name is a malformed request.
pub(crate) fn of_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => INVALID_SESSION,
        StatusCode::FORBIDDEN => INSUFFICIENT_PERMISSIONS,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => INVALID_ENDPOINT,
        StatusCode::PAYLOAD_TOO_LARGE => BODY_TOO_LARGE,
        StatusCode::TOO_MANY_REQUESTS => RATE_LIMITED,
        StatusCode::SERVICE_UNAVAILABLE => SERVICE_UNAVAILABLE,
        _ if status.is_client_error() => MISSING_FIELDS,
        _ => INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_status_has_a_json_body_with_code_and_message() {
        for status in (400..600).map(|status| StatusCode::from_u16(status).unwrap()) {
            let body: serde_json::Value = serde_json::from_str(of_status(status)).unwrap();
            assert!(body["code"].as_str().unwrap().ends_with("_ERROR"), "{status}");
            assert!(body["message"].is_string(), "{status}");
            assert_eq!(body.get("fields").is_some(), body["code"] == "MISSING_FIELDS_ERROR", "{status}");
        }
    }
}
