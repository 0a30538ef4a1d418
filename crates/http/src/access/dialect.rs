//! What a dialect is: all that tells one from the others is said by its [`HttpDialect`], and what the OpenAPI document
//! says of it, where it stands there, by its [`DocumentedDialect`].

use std::error::Error;

use actix_web::body::BoxBody;
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use schemars::SchemaGenerator;
use serde_json::{Map, Value};
use thunderhead_auth::error::InternalError;
use thunderhead_auth::work::WorkError;
use thunderhead_domain::authorization::{Access, Denial, Requirement};
use thunderhead_domain::ports::StorageError;

use crate::access::authorization::AccessError;
use crate::access::call::SessionOrigin;
use crate::access::endpoint::{DialectHooks, Endpoint};
use crate::middleware::decoration::Decoration;
use crate::openapi::doc::Tag;
use crate::openapi::errors::DocumentedError;
use crate::request::body::BodySchema;
use crate::request::credential::CredentialPlace;

/// A dialect: where it stands, how it is spoken, and what there is.
pub(crate) trait HttpDialect: 'static {
    type Error: DialectError<Dialect = Self>;

    /// Where it stands whatever the base path is; `None` below the base path.
    const PREFIX: Option<&'static str> = None;
    /// Where a credential is looked for. The first place that holds anything counts, however bad that is.
    const CREDENTIALS: &'static [CredentialPlace];
    /// What the sessions are that are opened in it.
    const ORIGIN: SessionOrigin;
    /// Whether people speak it, in a browser: then whatever refuses a cookie that is worth nothing any more clears it.
    const IS_FOR_PEOPLE: bool = false;
    /// Paths that its table would take for others: there is nothing.
    const LEFT_OUT: &'static [&'static str] = &[];
    /// The first segments of its paths, where it shares its place with another dialect: what is not in its table there
    /// is told in its words.
    const FIRST_SEGMENTS: &'static [&'static str] = &[];

    /// Its paths that are asked for most, whose routes are tried first: without parameters.
    const ASKED_MOST: &'static [&'static str] = &[];

    /// Every endpoint with its requirement. A path that is spelt out stands above one with a parameter in its place.
    fn table() -> Vec<Endpoint>;

    /// The answer to a request that goes no further, before anybody looks who makes it or counts it.
    fn turned_away(_request: &HttpRequest) -> Option<HttpResponse> {
        None
    }

    /// Content type and body of an error that no handler made: those of the framework, and of the layers in front of
    /// the routes.
    fn error_of_status(status: StatusCode, request_id: &str) -> (HeaderValue, BoxBody);

    /// What all answers on this path below its place carry besides, whoever makes them.
    fn decoration(_method: &Method, _path: &str, _base_path: &str) -> Option<Decoration> {
        None
    }
}

/// What the OpenAPI document says of a dialect, besides what its rows say of themselves.
pub(crate) trait DocumentedDialect {
    const NAME: &'static str;
    /// The groups of its operations.
    const TAGS: &'static [Tag];
    /// What the names of answers begin with that several operations share.
    const ANSWER_PREFIX: &'static str = "";
    /// Headers that every answer carries besides.
    const ANSWER_HEADERS: &'static [&'static str] = &[];
    const DEPRECATED: bool = false;
    /// What is required of staff.
    const STAFF: &'static str = "For staff whose session was proved by a second factor.";

    /// The structures of its errors, behind those of all dialects' answers.
    fn error_structures(generator: &mut SchemaGenerator) -> Vec<(String, Value)>;

    /// What the id of the operation at this path begins with.
    fn operation_prefix(_path: &str) -> &'static str {
        ""
    }

    fn security(access: Access) -> Value;

    fn path_parameter(name: &str, path: &str) -> Option<Value>;

    /// What a requirement adds to a body.
    fn required_body(_requirement: &Requirement, _generator: &mut SchemaGenerator) -> BodySchema {
        BodySchema::default()
    }

    /// The kinds of content that a body may be sent as, made from its JSON.
    fn body_content(_body: &BodySchema, json: Value) -> Map<String, Value> {
        [("application/json".to_owned(), json)].into_iter().collect()
    }

    /// Every error that a row with this body can be answered with, in the order of authorization: what its requirement
    /// and its path bring with them, and its own.
    fn errors(endpoint: &Endpoint, body: &BodySchema, own: Vec<DocumentedError>) -> Vec<DocumentedError>;
}

/// The errors of a dialect. Handlers of its endpoints fail with them, and every refusal of the access check becomes
/// one.
pub(crate) trait DialectError: From<Denial> + From<StorageError> + 'static {
    type Dialect: HttpDialect<Error = Self>;

    /// The error of a path that there is not.
    fn nothing_here() -> Self;

    /// The error of a method that a path does not have; the status is 405 whatever it says.
    fn wrong_method() -> Self {
        Self::nothing_here()
    }

    /// Whether it says that something is not there, or is in the way: that may be so because the caller's own session
    /// has ended.
    fn may_be_stale(&self) -> bool;

    fn respond(self, request: &HttpRequest) -> HttpResponse;
}

impl DialectHooks {
    pub(crate) fn of<D: HttpDialect>() -> Self {
        let refuse = |refusal, request: &HttpRequest| {
            let error = match refusal {
                AccessError::Denied(denial) => D::Error::from(denial),
                AccessError::Storage(error) => D::Error::from(error),
            };
            error.respond(request)
        };
        Self {
            credentials: D::CREDENTIALS,
            turned_away: D::turned_away,
            refuse,
            origin: D::ORIGIN,
            is_for_people: D::IS_FOR_PEOPLE,
        }
    }
}

/// What an error of the layers below comes to. It is logged where it becomes this, once, with its causes; the client
/// learns nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerError {
    /// Worth another try later.
    Unavailable,
    /// A defect.
    Internal,
}

impl ServerError {
    fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = error, "a request failed");
        Self::Internal
    }
}

impl From<StorageError> for ServerError {
    fn from(error: StorageError) -> Self {
        match &error {
            StorageError::Outage(_) => {
                tracing::warn!(error = &error as &(dyn Error + 'static), "the database is away");
                Self::Unavailable
            }
            // The storage has logged the row, once.
            StorageError::Unreadable(_) => Self::Unavailable,
            StorageError::Defect(_) => Self::internal(&error),
        }
    }
}

impl From<InternalError> for ServerError {
    fn from(error: InternalError) -> Self {
        match error {
            InternalError::Busy => Self::Unavailable,
            InternalError::Storage(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<WorkError> for ServerError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Busy => Self::Unavailable,
            WorkError::Abandoned => Self::internal(&error),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::fmt::Debug;

    /// Asserts that a list has one of each variant of the enum that the source declares first.
    pub(crate) fn assert_all_variants<E: Debug>(source: &str, listed: &[E], list: &str) {
        let (_, declared) = source.split_once("pub(crate) enum ").unwrap();
        let (declared, _) = declared.split_once("\n}").unwrap();
        let variants = declared.lines().filter_map(|line| line.strip_prefix("    "));
        let variants = variants.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
        let names: Vec<_> = variants.map(|line| line.split(['(', ',', ' ']).next().unwrap()).collect();
        assert!(names.len() > 2, "{declared}");
        let shown: Vec<_> = listed.iter().map(|error| format!("{error:?}(")).collect();
        for name in names {
            let is_listed = shown.iter().any(|text| text.split(['(', ' ']).next() == Some(name));
            assert!(is_listed, "{name} is missing in {list}");
        }
    }
}
