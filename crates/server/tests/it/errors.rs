//! The table of errors of `docs/MODEL.md`, as clients see it.

use serde_json::Value;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::TestApp;

on_both_engines!(the_rows_are_those_of_the_document);

/// One row: an error's status, code and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
}

macro_rules! rows {
    ($($name:ident: $status:literal, $code:literal, $message:literal;)+) => {
        $(pub(crate) const $name: Expected = Expected { status: $status, code: $code, message: $message };)+

        const ROWS: &[Expected] = &[$($name),+];
    };
}

rows! {
    MISSING_FIELDS: 400, "MISSING_FIELDS_ERROR", "Missing Fields";
    MALFORMED_SECOND_FACTOR: 400, "INVALID_SECOND_FACTOR_RESPONSE_ERROR", "Invalid Second Factor Response";
    REFUSED_SECOND_FACTOR: 401, "INVALID_SECOND_FACTOR_RESPONSE_ERROR", "Invalid Second Factor Response";
    INVALID_SECOND_FACTOR_METHOD: 400, "INVALID_SECOND_FACTOR_METHOD_ERROR", "Invalid Second Factor Method";
    CHALLENGE_REQUIRED: 401, "SECOND_FACTOR_CHALLENGE_REQUIRED_ERROR", "Second Factor Challenge Required";
    INVALID_SECOND_FACTOR: 404, "INVALID_SECOND_FACTOR_ERROR", "Invalid Second Factor";
    INVALID_USERNAME: 400, "INVALID_USERNAME_ERROR", "Invalid Username";
    INVALID_EMAIL: 400, "INVALID_EMAIL_ERROR", "Invalid Email";
    PASSWORDS_DO_NOT_MATCH: 400, "PASSWORDS_DO_NOT_MATCH_ERROR", "Passwords Do Not Match";
    NOT_AUTHENTICATED: 401, "INVALID_SESSION_ERROR", "Invalid Session";
    NO_SUCH_SESSION: 404, "INVALID_SESSION_ERROR", "Invalid Session";
    INVALID_PASSWORD: 401, "INVALID_PASSWORD_ERROR", "Invalid Password";
    ENDPOINT_REQUIRES_SECOND_FACTOR: 401, "ENDPOINT_REQUIRES_SECOND_FACTOR_ERROR", "Endpoint Requires Second Factor";
    INSUFFICIENT_PERMISSIONS: 403, "INSUFFICIENT_PERMISSIONS_ERROR", "Insufficient Permissions";
    BANNED: 403, "BANNED_ERROR", "Banned";
    INVALID_USER: 404, "INVALID_USER_ERROR", "Invalid User";
    INVALID_ENDPOINT: 404, "INVALID_ENDPOINT_ERROR", "Invalid Endpoint";
    WRONG_METHOD: 405, "INVALID_ENDPOINT_ERROR", "Invalid Endpoint";
    USER_REQUIRES_SECOND_FACTOR: 400, "USER_REQUIRES_SECOND_FACTOR_ERROR", "User Requires Second Factor";
    USER_EXISTS: 409, "USER_EXISTS_ERROR", "User Exists";
    TOO_MANY_SESSIONS: 409, "TOO_MANY_SESSIONS_ERROR", "Too Many Sessions";
    BODY_TOO_LARGE: 413, "BODY_TOO_LARGE_ERROR", "Body Too Large";
    TOO_MANY_IDS: 400, "BODY_TOO_LARGE_ERROR", "Body Too Large";
    RATE_LIMITED: 429, "RATELIMITED_ERROR", "You Have Been Ratelimited. Please Try Again Later.";
    UNAVAILABLE: 503, "SERVICE_UNAVAILABLE_ERROR", "Service Unavailable";
    INTERNAL: 500, "INTERNAL_SERVER_ERROR", "Internal Server Error";
}

/// The bodies of the errors that the document tells of operations that are chosen by path and description, with their
/// statuses.
pub(crate) fn documented(
    document: &Value,
    chosen: impl Fn(&str, &Value) -> bool,
) -> impl Iterator<Item = (u16, &Value)> {
    let items = document["paths"].as_object().unwrap().iter();
    let operations = items.flat_map(|(path, item)| item.as_object().unwrap().values().map(move |of| (path, of)));
    let operations = operations.filter(move |(path, operation)| chosen(path, operation));
    let answers = operations.flat_map(|(_, operation)| operation["responses"].as_object().unwrap());
    answers.flat_map(move |(status, answer)| {
        let reference = answer["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
        let answer = reference.map_or(answer, |reference| document.pointer(reference).unwrap());
        let status: u16 = status.parse().unwrap();
        let examples = answer["content"]["application/json"]["examples"].as_object().filter(|_| status >= 400);
        examples.into_iter().flat_map(|them| them.values()).map(move |example| (status, &example["value"]))
    })
}

fn the_rows_are_those_of_the_document(database: TestDatabase) {
    let app = TestApp::start(database);
    let document = app.anonymous().get("/openapi.json").expect(200);
    // The Kratos dialect has a form of its own, and the legacy one some words.
    let current = |path: &str, operation: &Value| !path.starts_with("/auth/") && operation["deprecated"] != true;
    let errors: Vec<_> = documented(&document, current).collect();
    let fits = |row: &Expected, (status, body): (u16, &Value)| {
        (status, body["code"].as_str(), body["message"].as_str()) == (row.status, Some(row.code), Some(row.message))
    };
    for error in &errors {
        assert!(ROWS.iter().any(|row| fits(row, *error)), "tests/it/errors.rs has no row of {error:?}");
    }
    // No operation has another method than its own.
    for row in ROWS.iter().filter(|row| **row != WRONG_METHOD) {
        assert!(errors.iter().any(|error| fits(row, *error)), "no operation is documented to answer {row:?}");
    }
}
