//! One row of a dialect's route table.

use std::pin::Pin;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use thunderhead_domain::authorization::{Authorized, Requirement};
use thunderhead_domain::switch::KillSwitch;

use crate::access::authorization::AccessError;
use crate::access::call::{Call, SessionOrigin};
use crate::access::limit_class::{NamedToken, RateLimitClass};
use crate::openapi::doc::Doc;
use crate::request::credential::CredentialPlace;

pub(crate) struct Endpoint {
    /// `None` is any method.
    pub(crate) method: Option<Method>,
    pub(crate) path: &'static str,
    pub(crate) requirement: Requirement,
    pub(crate) limit_class: RateLimitClass,
    pub(crate) handler: Handler,
    pub(crate) hooks: DialectHooks,
    /// What the OpenAPI document says of it besides.
    pub(crate) doc: Describe,
}

/// Makes the documentation of a row: the constructors ask for one, so a row without it does not compile.
pub(crate) type Describe = fn() -> Doc;

pub(crate) type ResponseFuture = Pin<Box<dyn Future<Output = HttpResponse>>>;
pub(crate) type Handler = Arc<dyn Fn(Authorized, Call) -> ResponseFuture>;

/// What it takes of its dialect to serve a row.
#[derive(Clone, Copy)]
pub(crate) struct DialectHooks {
    pub(crate) credentials: &'static [CredentialPlace],
    pub(crate) turned_away: fn(&HttpRequest) -> Option<HttpResponse>,
    pub(crate) refuse: fn(AccessError, &HttpRequest) -> HttpResponse,
    pub(crate) origin: SessionOrigin,
    pub(crate) is_for_people: bool,
}

impl Endpoint {
    /// The same, shut by these switches.
    pub(crate) const fn under(mut self, switches: &'static [KillSwitch]) -> Self {
        self.requirement.switches = switches;
        self
    }

    /// The same with other places for the credential.
    pub(crate) const fn with_credentials_in(mut self, places: &'static [CredentialPlace]) -> Self {
        self.hooks.credentials = places;
        self
    }

    /// The same, counted per client address whatever session is carried.
    pub(crate) const fn by_client(mut self) -> Self {
        self.limit_class = RateLimitClass::Client;
        self
    }

    /// The same, counted by the limit of revocations.
    pub(crate) const fn revoking(mut self) -> Self {
        self.limit_class = RateLimitClass::Revocation;
        self
    }

    /// The same, counted by the limit of revocations for the session of a token.
    pub(crate) const fn revoking_by(mut self, token: NamedToken) -> Self {
        self.limit_class = RateLimitClass::RevocationByToken(token);
        self
    }

    /// The same with reverification of identity.
    pub(crate) const fn reverified(mut self) -> Self {
        self.requirement.reverify = true;
        self
    }
}
