//! What a row of the route table cannot tell of itself: words, the body's fields, what success looks like, and
//! the errors of its own.

use actix_web::http::StatusCode;
use schemars::SchemaGenerator;
use serde_json::Value;

use crate::api::error::ApiError;
use crate::kratos::error::KratosError;
use crate::request::body::{BodySchema, RequestBody};

/// The documentation of one row. What its demand and its path tell is added by `crate::openapi::operation`.
pub(crate) struct Doc {
    pub(crate) tag: Tag,
    /// A line without a full stop.
    pub(crate) summary: &'static str,
    /// Sentences in CommonMark, or nothing.
    pub(crate) text: &'static str,
    /// Parameters besides those of the path, as parameter objects.
    pub(crate) parameters: Vec<Value>,
    /// The body, the proof of identity left out.
    pub(crate) body: fn(&mut SchemaGenerator) -> BodySchema,
    pub(crate) success: Success,
    /// Errors besides those that the demand and the path bring with them.
    pub(crate) errors: Vec<ApiError>,
    /// The same of a row of the Kratos dialect.
    pub(crate) kratos_errors: Vec<KratosError>,
}

/// The groups of the readable page, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Entry,
    Account,
    Factors,
    Sessions,
    StaffSessions,
    StaffAccounts,
    StaffFactors,
    KillSwitches,
    Legacy,
    Kratos,
    KratosAdmin,
    Server,
}

/// The answer where all goes well.
#[derive(Clone, Copy)]
pub(crate) struct Success {
    pub(crate) status: StatusCode,
    /// The name of a component schema; empty where there is no body.
    pub(crate) schema: &'static str,
    /// Headers besides those of every answer.
    pub(crate) headers: &'static [&'static str],
    pub(crate) text: &'static str,
}

impl Doc {
    pub(crate) const fn new(tag: Tag, summary: &'static str, success: Success) -> Self {
        Self {
            tag,
            summary,
            text: "",
            parameters: vec![],
            body: <()>::schema,
            success,
            errors: vec![],
            kratos_errors: vec![],
        }
    }

    pub(crate) const fn text(mut self, text: &'static str) -> Self {
        self.text = text;
        self
    }

    pub(crate) fn parameters(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    pub(crate) const fn body(mut self, body: fn(&mut SchemaGenerator) -> BodySchema) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn kratos_errors(mut self, errors: impl IntoIterator<Item = KratosError>) -> Self {
        self.kratos_errors.extend(errors);
        self
    }

    pub(crate) fn errors(mut self, errors: impl IntoIterator<Item = ApiError>) -> Self {
        self.errors.extend(errors);
        self
    }
}

impl Success {
    pub(crate) const fn ok(schema: &'static str, text: &'static str) -> Self {
        Self { status: StatusCode::OK, schema, headers: &[], text }
    }

    pub(crate) const fn created(schema: &'static str, text: &'static str) -> Self {
        Self { status: StatusCode::CREATED, schema, headers: &[], text }
    }

    pub(crate) const fn no_content(text: &'static str) -> Self {
        Self { status: StatusCode::NO_CONTENT, schema: "", headers: &[], text }
    }

    pub(crate) const fn with(mut self, headers: &'static [&'static str]) -> Self {
        self.headers = headers;
        self
    }
}

impl Tag {
    /// Every group.
    pub(crate) const ALL: [Self; 12] = [
        Self::Entry,
        Self::Account,
        Self::Factors,
        Self::Sessions,
        Self::StaffSessions,
        Self::StaffAccounts,
        Self::StaffFactors,
        Self::KillSwitches,
        Self::Legacy,
        Self::Kratos,
        Self::KratosAdmin,
        Self::Server,
    ];

    /// The group's heading.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Entry => "Getting in",
            Self::Account => "Own account",
            Self::Factors => "Own second factors",
            Self::Sessions => "Own sessions",
            Self::StaffSessions => "Sessions of users",
            Self::StaffAccounts => "Accounts of users",
            Self::StaffFactors => "Second factors of users",
            Self::KillSwitches => "Kill switches",
            Self::Legacy => "Legacy",
            Self::Kratos => "Kratos dialect",
            Self::KratosAdmin => "Kratos dialect for staff",
            Self::Server => "Server",
        }
    }

    /// What the group is about.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Entry => "For those who carry no session.",
            Self::Account => "The account that the session in use belongs to.",
            Self::Factors => {
                "What is asked for besides the password, at every login and wherever identity is proved again."
            }
            Self::Sessions => "Where its user is signed in, and tokens for scripts that can do only some things.",
            Self::StaffSessions => "For staff.",
            Self::StaffAccounts => {
                "For staff. Nobody can ban, demote or delete themselves here: that is `InsufficientPermissions`."
            }
            Self::StaffFactors => "For staff, and never for their own: that is `InsufficientPermissions`.",
            Self::KillSwitches => "For staff: doors that can be shut in an emergency.",
            Self::Legacy => {
                "The same sessions in the words of years ago, for programs that still speak them: see \
                 `docs/API-LEGACY.md`. Each `Link` names the successor."
            }
            Self::Kratos => {
                "The same users and sessions, for the published clients of Ory Kratos: their base URL is this server's with \
                 `/auth`. The credential is looked for in `X-Session-Token`, then in the session cookie, then in \
                 `Authorization`."
            }
            Self::KratosAdmin => "For staff, whose credential is looked for in `Authorization` alone.",
            Self::Server => "Not part of the API: not counted by its limits, not shut by kill switches.",
        }
    }
}
