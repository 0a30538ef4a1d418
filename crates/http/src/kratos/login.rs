//! `/auth/self-service/login…`: a flow is begun, and submitted once for each factor.

pub(super) mod begin;
pub(super) mod submit;

use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::session::Grant;

use crate::access::limit_class::Submission;
use crate::kratos::error::KratosError;
use crate::kratos::wire::Level;
use crate::request::body::read_fields;

/// Whoever shows a second factor has shown the password already.
pub(super) const SUBMISSION: Submission = Submission {
    read: |request, payload| Box::pin(async move { read_fields(&request, payload).await }),
    is_answer: |fields| matches!(fields.text("method"), Some("totp" | "lookup_secret")) && !fields.has("password"),
};

/// Refuses who has nothing to log in for: by a scoped session nobody logs in, and who is logged in must say that they
/// mean it, or want to show a factor that they have not shown yet.
fn check_live(authenticated: &AuthenticatedSession, aal2: bool, refresh: bool) -> Result<(), KratosError> {
    let raisable = aal2 && authenticated.user.has_second_factor && Level::of(&authenticated.session) == Level::Aal1;
    match authenticated.session.grant {
        Grant::Scoped(_) => Err(KratosError::ScopeMissing),
        Grant::Full if refresh || raisable => Ok(()),
        Grant::Full => Err(KratosError::AlreadyLoggedIn),
    }
}
