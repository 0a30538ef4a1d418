//! Which limit counts a request (`docs/MODEL.md`, *Rate limits*), and what of its body must be read to know that.

use std::pin::Pin;

use actix_web::{HttpRequest, web};

use crate::request::body::{BodyError, Fields};

/// Which limit counts a route.
#[derive(Clone, Copy)]
pub(crate) enum RateLimitClass {
    /// The limit of everything that is not named otherwise.
    General,
    /// The same, per client address whatever session is carried.
    Client,
    /// The limit of logins, where a password is submitted.
    Login(Submission),
    Revocation,
    /// The same, for the session whose token the body names.
    RevocationByToken(NamedToken),
}

/// Which limit counts a request.
#[derive(Debug)]
pub(crate) enum RateLimitRule {
    /// The limit of everything that is not named otherwise.
    General,
    Client,
    Login,
    Revocation,
    /// The same, for the session of this token, if there is one.
    RevocationBy(Option<NamedText>),
}

/// A token that a body names. Whoever has it has the session, so it stays out of logs.
pub(crate) struct NamedText(pub(crate) String);

impl std::fmt::Debug for NamedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NamedText(…)")
    }
}

impl RateLimitClass {
    /// Whether what is counted by it ends sessions, whatever the method is.
    pub(crate) const fn is_revocation(self) -> bool {
        matches!(self, Self::Revocation | Self::RevocationByToken(_))
    }
}

#[derive(Default)]
pub(crate) enum Body {
    /// Nobody has read it yet.
    Unread(web::Payload),
    /// It was read before its request was counted.
    Read(Box<Result<Fields, BodyError>>),
    /// There is none any more.
    #[default]
    Used,
}

pub(crate) type BodyReader = fn(HttpRequest, web::Payload) -> BodyReading;
pub(crate) type BodyReading = Pin<Box<dyn Future<Output = Result<Fields, BodyError>>>>;

/// How a dialect tells the submission of a password from the answer to its challenge.
#[derive(Clone, Copy)]
pub(crate) struct Submission {
    pub(crate) read: BodyReader,
    /// Whether this is an answer, and no password beside it. Whatever is not, is counted as a login.
    pub(crate) is_answer: fn(&Fields) -> bool,
}

/// Where a dialect names a token that is to be given up.
#[derive(Clone, Copy)]
pub(crate) struct NamedToken {
    pub(crate) read: BodyReader,
    pub(crate) field: &'static str,
}

impl RateLimitClass {
    /// Reads as much of the body as it takes to count the request.
    pub(crate) async fn count(self, request: &HttpRequest, payload: web::Payload) -> (RateLimitRule, Body) {
        match self {
            Self::General => (RateLimitRule::General, Body::Unread(payload)),
            Self::Client => (RateLimitRule::Client, Body::Unread(payload)),
            Self::Revocation => (RateLimitRule::Revocation, Body::Unread(payload)),
            Self::Login(submission) => {
                let fields = (submission.read)(request.clone(), payload).await;
                let is_answer = fields.as_ref().is_ok_and(submission.is_answer);
                (if is_answer { RateLimitRule::General } else { RateLimitRule::Login }, Body::Read(Box::new(fields)))
            }
            Self::RevocationByToken(NamedToken { read, field }) => {
                let fields = read(request.clone(), payload).await;
                let token = fields.as_ref().ok().and_then(|fields| fields.text(field));
                (
                    RateLimitRule::RevocationBy(token.map(|text| NamedText(text.to_owned()))),
                    Body::Read(Box::new(fields)),
                )
            }
        }
    }
}
