//! What this dialect reads from queries and paths. Unlike the current one it refuses what it cannot read
//! (`docs/API-KRATOS.md`).

use thunderhead_domain::id::{SessionUuid, UserUuid};
use uuid::Uuid;

use crate::access::call::Call;
use crate::kratos::error::KratosError;
use crate::kratos::wire::Expand;
use crate::request::query::texts;

/// A UUID in its usual form.
pub(super) fn uuid(text: &str) -> Option<Uuid> {
    // Without hyphens, in braces and behind `urn:` it would be another spelling of the same.
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

/// The session that the path names.
pub(super) fn session(call: &Call) -> Result<SessionUuid, KratosError> {
    uuid(call.path("id")).map(SessionUuid).ok_or(KratosError::Malformed("id", "a UUID"))
}

/// The user that the path names.
pub(super) fn identity(call: &Call) -> Result<UserUuid, KratosError> {
    uuid(call.path("id")).map(UserUuid).ok_or(KratosError::Malformed("id", "a UUID"))
}

/// Whether only sessions that are live are wanted, or only those that are not.
pub(super) fn active(call: &Call) -> Result<Option<bool>, KratosError> {
    match texts(call.request(), "active").first().map(String::as_str) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(KratosError::Malformed("active", "true or false")),
    }
}

/// What the query asks for: repeated, or with commas in between.
pub(super) fn expand(call: &Call) -> Result<Expand, KratosError> {
    let mut expand = Expand { identity: false, devices: false };
    for item in texts(call.request(), "expand").iter().flat_map(|text| text.split(',')) {
        match item.to_ascii_lowercase().as_str() {
            "identity" => expand.identity = true,
            "devices" => expand.devices = true,
            _ => return Err(KratosError::Malformed("expand", "identity or devices")),
        }
    }
    Ok(expand)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_one_form() {
        assert!(uuid("6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20").is_some());
        assert!(uuid("6F1D3B0E-8F3A-4B5C-9D2E-1A7C5E9B4D20").is_some());
        for text in [
            "",
            "me",
            "6f1d3b0e8f3a4b5c9d2e1a7c5e9b4d20",
            "{6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20}",
            "6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d2g",
            "6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20 ",
        ] {
            assert_eq!(uuid(text), None, "{text:?}");
        }
    }
}
