//! Why a request does not pass, and what a client can do about it.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use thunderhead_domain::assurance::ProofDenial;
use thunderhead_domain::authorization::{AuthenticatedSession, Denial};
use thunderhead_domain::session::Grant;

use crate::services::forward_auth::requirements::Requirements;

/// Why a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnmetRequirement {
    /// Nothing can be done about it here.
    Final(StatusCode),
    /// There is no live session.
    Unauthenticated,
    /// The session is not proved as it must be. Who is not led on is told this status.
    Unproved(StatusCode),
}

impl UnmetRequirement {
    /// What a denial comes to. `live` is the session, where the requirements may lead somebody on who has one.
    pub(super) fn of(denial: Denial, live: Option<&AuthenticatedSession>, requirements: &Requirements) -> Self {
        match denial {
            Denial::RateLimited => Self::Final(StatusCode::TOO_MANY_REQUESTS),
            Denial::SwitchedOff(_) => Self::Final(StatusCode::SERVICE_UNAVAILABLE),
            Denial::Unauthenticated | Denial::SecondFactorPending | Denial::AlreadyAuthenticated => {
                Self::Unauthenticated
            }
            Denial::StaffFactorMissing if live.is_some_and(can_show_a_factor) => {
                Self::Unproved(if requirements.proof.factor { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN })
            }
            Denial::Banned
            | Denial::CrossSite
            | Denial::NotStaff
            | Denial::StaffFactorMissing
            | Denial::ScopeMissing => Self::Final(StatusCode::FORBIDDEN),
        }
    }
}

impl From<ProofDenial> for UnmetRequirement {
    fn from(denial: ProofDenial) -> Self {
        match denial {
            ProofDenial::NoFactor => Self::Final(StatusCode::FORBIDDEN),
            ProofDenial::Insufficient => Self::Unproved(StatusCode::UNAUTHORIZED),
        }
    }
}

/// Whether the session's user has a second factor, and the session is one that it can be shown in.
fn can_show_a_factor(authenticated: &AuthenticatedSession) -> bool {
    authenticated.user.has_second_factor && authenticated.session.grant == Grant::Full
}

/// What a program is told that can have its user show more (RFC 9470, section 3).
pub(super) fn challenge(requirements: &Requirements) -> HeaderValue {
    let mut text = "Bearer error=\"insufficient_user_authentication\", \
                    error_description=\"The session is not proved as it must be\""
        .to_owned();
    if requirements.proof.factor {
        text.push_str(", acr_values=\"aal2\"");
    }
    if let Some(seconds) = requirements.proof.max_age {
        text.push_str(&format!(", max_age=\"{seconds}\""));
    }
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_says_what_is_asked_for() {
        let told = |query: &str| challenge(&Requirements::parse(query).unwrap()).to_str().unwrap().to_owned();
        let start = "Bearer error=\"insufficient_user_authentication\", \
                     error_description=\"The session is not proved as it must be\"";
        assert_eq!(told("max_age=600"), format!("{start}, max_age=\"600\""));
        assert_eq!(told("factor=1"), format!("{start}, acr_values=\"aal2\""));
        assert_eq!(told("staff=true&factor=true&max_age=5"), format!("{start}, acr_values=\"aal2\", max_age=\"5\""));
    }
}
