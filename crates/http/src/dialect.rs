//! What the dialects have of their own at the gate: where they look for a credential, and how they say no.

use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, HttpResponse};

use crate::cookie::SessionCookie;
use crate::credential::Credential;
use crate::gate::Refusal;

/// The errors of a dialect. Handlers of its endpoints fail with them, and every refusal of the gate becomes one.
pub(crate) trait DialectError: From<Refusal> + 'static {
    /// The credential of a request in this dialect.
    fn credential(headers: &HeaderMap, cookie: &SessionCookie) -> Credential;

    /// The error of a path that there is not.
    fn nothing_here() -> Self;

    /// The error of a method that a path does not have; the status is 405 whatever it says.
    fn wrong_method() -> Self {
        Self::nothing_here()
    }

    /// The response in this dialect's words.
    fn respond(self, request: &HttpRequest) -> HttpResponse;
}
