//! The table of errors of `docs/MODEL.md`, as clients see it.

/// One row: an error's status, code and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
}

const fn row(status: u16, code: &'static str, message: &'static str) -> Expected {
    Expected { status, code, message }
}

pub(crate) const MISSING_FIELDS: Expected = row(400, "MISSING_FIELDS_ERROR", "Missing Fields");
pub(crate) const MALFORMED_SECOND_FACTOR: Expected =
    row(400, "INVALID_SECOND_FACTOR_RESPONSE_ERROR", "Invalid Second Factor Response");
pub(crate) const REFUSED_SECOND_FACTOR: Expected =
    row(401, "INVALID_SECOND_FACTOR_RESPONSE_ERROR", "Invalid Second Factor Response");
pub(crate) const INVALID_SECOND_FACTOR_METHOD: Expected =
    row(400, "INVALID_SECOND_FACTOR_METHOD_ERROR", "Invalid Second Factor Method");
pub(crate) const CHALLENGE_REQUIRED: Expected =
    row(401, "SECOND_FACTOR_CHALLENGE_REQUIRED_ERROR", "Second Factor Challenge Required");
pub(crate) const INVALID_SECOND_FACTOR: Expected = row(404, "INVALID_SECOND_FACTOR_ERROR", "Invalid Second Factor");
pub(crate) const INVALID_USERNAME: Expected = row(400, "INVALID_USERNAME_ERROR", "Invalid Username");
pub(crate) const INVALID_EMAIL: Expected = row(400, "INVALID_EMAIL_ERROR", "Invalid Email");
pub(crate) const PASSWORDS_DO_NOT_MATCH: Expected = row(400, "PASSWORDS_DO_NOT_MATCH_ERROR", "Passwords Do Not Match");
pub(crate) const NOT_AUTHENTICATED: Expected = row(401, "INVALID_SESSION_ERROR", "Invalid Session");
pub(crate) const NO_SUCH_SESSION: Expected = row(404, "INVALID_SESSION_ERROR", "Invalid Session");
pub(crate) const INVALID_PASSWORD: Expected = row(401, "INVALID_PASSWORD_ERROR", "Invalid Password");
pub(crate) const ENDPOINT_REQUIRES_SECOND_FACTOR: Expected =
    row(401, "ENDPOINT_REQUIRES_SECOND_FACTOR_ERROR", "Endpoint Requires Second Factor");
pub(crate) const INSUFFICIENT_PERMISSIONS: Expected =
    row(403, "INSUFFICIENT_PERMISSIONS_ERROR", "Insufficient Permissions");
pub(crate) const BANNED: Expected = row(403, "BANNED_ERROR", "Banned");
pub(crate) const INVALID_USER: Expected = row(404, "INVALID_USER_ERROR", "Invalid User");
pub(crate) const INVALID_ENDPOINT: Expected = row(404, "INVALID_ENDPOINT_ERROR", "Invalid Endpoint");
pub(crate) const WRONG_METHOD: Expected = row(405, "INVALID_ENDPOINT_ERROR", "Invalid Endpoint");
pub(crate) const USER_REQUIRES_SECOND_FACTOR: Expected =
    row(400, "USER_REQUIRES_SECOND_FACTOR_ERROR", "User Requires Second Factor");
pub(crate) const USER_EXISTS: Expected = row(409, "USER_EXISTS_ERROR", "User Exists");
pub(crate) const TOO_MANY_SESSIONS: Expected = row(409, "TOO_MANY_SESSIONS_ERROR", "Too Many Sessions");
pub(crate) const BODY_TOO_LARGE: Expected = row(413, "BODY_TOO_LARGE_ERROR", "Body Too Large");
pub(crate) const TOO_MANY_IDS: Expected = row(400, "BODY_TOO_LARGE_ERROR", "Body Too Large");
pub(crate) const RATE_LIMITED: Expected =
    row(429, "RATELIMITED_ERROR", "You Have Been Ratelimited. Please Try Again Later.");
pub(crate) const UNAVAILABLE: Expected = row(503, "SERVICE_UNAVAILABLE_ERROR", "Service Unavailable");
