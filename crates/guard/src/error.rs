//! Why somebody is not let in, and what they are told.

use thunderhead_domain::assurance::ProofRequirement;
use thunderhead_domain::scope::Scope;

/// Why a request is not let in. As an answer it is a status and headers without a body: [`GuardError::status`],
/// [`GuardError::www_authenticate`], [`GuardError::retry_after`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// It carries no credential: 401.
    #[error("no credential")]
    NoCredential,
    /// It carries something that is no token, or more than one: 401. Nobody was asked.
    #[error("not a token, or more than one")]
    Malformed,
    /// The token leads to no live session: 401.
    #[error("no live session")]
    Inactive,
    /// A cookie came with a change, or a websocket's handshake, that another site may have made: 403.
    #[error("a change by a cookie that another site may have made")]
    CrossSite,
    /// The session may not do what this scope stands for: 403.
    #[error("the session lacks the scope {}", .0.name())]
    Scope(Scope),
    /// Staff alone may do this, in a session that has shown a second factor: 403.
    #[error("not a session of staff")]
    Staff,
    /// The session is not proved as it must be: 401, and what is missing (RFC 9470).
    #[error("the session is not proved as it must be")]
    Proof(ProofRequirement),
    /// Nobody can tell: 503. It says nothing about the token, and logs nobody out.
    #[error("nobody can tell: {0}")]
    Unavailable(#[from] Unavailable),
}

/// Why nobody can tell whether a session is live.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The server has not answered in time.
    #[error("no answer within the deadline")]
    Deadline,
    /// Too many requests wait for answers already; nothing was asked.
    #[error("too many requests wait for an answer")]
    Busy,
    /// There is no connection, or it broke off.
    #[error("no connection: {0}")]
    Connection(String),
    /// The server does not take this service's id and secret, or the service lacks a right. That is the operator's to mend.
    #[error("the server refuses this service's id and secret, or its right (status {0})")]
    Credentials(u16),
    /// The server answered with this status.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// The server's answer is not what it must be.
    #[error("the server's answer is not understood: {0}")]
    NotUnderstood(&'static str),
    /// The runtime that asks the server has ended.
    #[error("the runtime that asks has ended")]
    Stopped,
    /// The application has no guard where this framework looks for it.
    #[error("the application has no guard")]
    NoGuard,
}

impl GuardError {
    /// The HTTP status: 401, 403 or 503.
    pub const fn status(&self) -> u16 {
        match self {
            Self::NoCredential | Self::Malformed | Self::Inactive | Self::Proof(_) => 401,
            Self::CrossSite | Self::Scope(_) | Self::Staff => 403,
            Self::Unavailable(_) => 503,
        }
    }

    /// The value of `WWW-Authenticate` (RFC 6750, section 3; RFC 9470, section 3), with every 401 and where a scope lacks.
    pub fn www_authenticate(&self) -> Option<String> {
        Some(match self {
            Self::NoCredential => "Bearer".to_owned(),
            Self::Malformed | Self::Inactive => "Bearer error=\"invalid_token\"".to_owned(),
            Self::Scope(scope) => format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", scope.name()),
            Self::Proof(ProofRequirement { max_age, factor }) => {
                let mut value = "Bearer error=\"insufficient_user_authentication\"".to_owned();
                if *factor {
                    value.push_str(", acr_values=\"aal2\"");
                }
                if let Some(seconds) = max_age {
                    value.push_str(&format!(", max_age=\"{seconds}\""));
                }
                value
            }
            Self::CrossSite | Self::Staff | Self::Unavailable(_) => return None,
        })
    }

    /// The value of `Retry-After`, in seconds, with a 503.
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Unavailable(_) => Some(1),
            Self::NoCredential
            | Self::Malformed
            | Self::Inactive
            | Self::CrossSite
            | Self::Scope(_)
            | Self::Staff
            | Self::Proof(_) => None,
        }
    }
}

/// Why there is no guard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The server's address is no `http` or `https` URL, or has a query.
    #[error("the server's address must be an http or https URL without a query")]
    Url,
    /// `https` needs the feature `tls` of this crate.
    #[error("https needs the feature `tls` of thunderhead-guard")]
    Tls,
    /// A duration or a number that must not be zero is.
    #[error("{0} must not be zero")]
    Zero(&'static str),
    /// It was not built within a Tokio runtime, which is to ask the server.
    #[error("a guard is built within a Tokio runtime")]
    NoRuntime,
    /// The roots that the system trusts cannot be read.
    #[error("the system's certificates cannot be read: {0}")]
    Certificates(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_to_do_about_it() {
        let proof = |max_age, factor| GuardError::Proof(ProofRequirement { max_age, factor });
        for (error, status, header) in [
            (GuardError::NoCredential, 401, Some("Bearer")),
            (GuardError::Malformed, 401, Some("Bearer error=\"invalid_token\"")),
            (GuardError::Inactive, 401, Some("Bearer error=\"invalid_token\"")),
            (GuardError::CrossSite, 403, None),
            (
                GuardError::Scope(Scope::UploadFile),
                403,
                Some("Bearer error=\"insufficient_scope\", scope=\"UPLOAD_FILE\""),
            ),
            (GuardError::Staff, 403, None),
            (
                proof(Some(600), true),
                401,
                Some("Bearer error=\"insufficient_user_authentication\", acr_values=\"aal2\", max_age=\"600\""),
            ),
            (proof(None, true), 401, Some("Bearer error=\"insufficient_user_authentication\", acr_values=\"aal2\"")),
            (GuardError::Unavailable(Unavailable::Busy), 503, None),
        ] {
            assert_eq!((error.status(), error.www_authenticate().as_deref()), (status, header), "{error}");
            assert_eq!(error.retry_after().is_some(), status == 503);
        }
    }
}
