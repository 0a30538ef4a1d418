//! What people are told where a page is not shown: every refusal and fault is a page with its status, or leads to the
//! sign-in page.

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};
use thunderhead_auth::changes::ChangeError;
use thunderhead_auth::changes::target::SelfAction;
use thunderhead_auth::error::InternalError;
use thunderhead_auth::sessions::StaffSessionError;
use thunderhead_auth::work::WorkError;
use thunderhead_domain::authorization::Denial;
use thunderhead_domain::change_authorization::{PreconditionFailed, Refusal};
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::time::seconds_rounded_up;

use crate::access::dialect::{DialectError, ServerError};
use crate::pages::layout::{document, respond, see_other};
use crate::pages::redirect::leading_to;
use crate::pages::words::counted;
use crate::pages::{Kit, Pages};
use crate::request::body::BodyError;
use crate::request::origin::is_safe;

/// Seconds after which an overloaded or cut-off server is worth another try.
const RETRY_SECONDS: i64 = 1;

/// Where sessions are confirmed.
pub(crate) const CONFIRM: &str = "/account/confirm";

pub(crate) type PageResult = Result<HttpResponse, PageError>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageError {
    /// There is no session, or none that is good here: to the sign-in page.
    SignIn,
    /// There is one, where none may be.
    SignedIn,
    NotFound,
    /// A one-time link that is good for nothing, whyever.
    LinkOver,
    /// The session is not confirmed (any more): to the page that confirms it.
    Confirm,
    WrongMethod,
    BodyTooLarge,
    /// The form came from another site, or nothing says where it came from.
    CrossSite,
    Banned,
    /// Of those who would do to themselves what staff do to others.
    Oneself,
    /// The cookie holds a token for programs.
    Scoped,
    NotStaff,
    StaffFactorMissing,
    /// What was to be changed has changed meanwhile.
    Conflict,
    /// The headers tell how long to wait.
    TooManySessions,
    RateLimited,
    /// To be tried again after this many milliseconds.
    Throttled(i64),
    SwitchedOff(KillSwitch),
    /// Accounts are made by the operator.
    RegistrationClosed,
    Unavailable,
    Internal,
}

/// What a page says instead of what was asked for.
struct Words {
    status: StatusCode,
    title: &'static str,
    text: Markup,
}

impl PageError {
    fn words(self) -> Words {
        use StatusCode as S;
        let (status, title, text) = match self {
            Self::SignIn => (S::UNAUTHORIZED, "Sign in first", html! { "This page is for those who are signed in." }),
            Self::SignedIn => (S::CONFLICT, "You are signed in", html! { "Sign out first." }),
            Self::NotFound => (S::NOT_FOUND, "Not found", html! { "There is nothing here, or not any more." }),
            Self::LinkOver => (
                S::NOT_FOUND,
                "This link does not work",
                html! { "A link is good once, and for a day. If you still need one, ask those who run this site for another." },
            ),
            Self::Confirm => (S::UNAUTHORIZED, "Confirm it is you", html! { "This wants to know who you are." }),
            Self::WrongMethod => {
                (S::METHOD_NOT_ALLOWED, "Not possible", html! { "This address is for a form that another page has." })
            }
            Self::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, "Too much", html! { "What was sent is too large." }),
            Self::CrossSite => (
                S::FORBIDDEN,
                "Not from this site",
                html! { "The request did not come from a page of this site, so nothing was done. If you meant it, open the page here and try again." },
            ),
            Self::Oneself => (
                S::FORBIDDEN,
                "Not to yourself",
                html! { "Nobody bans, demotes or deletes themselves, or removes their own second factors here. Ask somebody else of the staff." },
            ),
            Self::Banned => (
                S::FORBIDDEN,
                "This account is banned",
                html! { "Nobody can sign in with it. Ask those who run this site." },
            ),
            Self::Scoped => (
                S::FORBIDDEN,
                "This is a token for programs",
                html! { "These pages are for people who have signed in. " a href="/login" { "Sign in" } "." },
            ),
            Self::NotStaff => (S::FORBIDDEN, "For staff", html! { "This page is for the staff of this site." }),
            Self::StaffFactorMissing => (
                S::UNAUTHORIZED,
                "Show a second factor",
                html! { "Staff pages open in a session that was proved by a second factor. Sign out, and sign in with one. Without one, add one to your account first." },
            ),
            Self::Conflict => (
                S::CONFLICT,
                "Not done",
                html! { "Something has changed in the meantime. Go back, load the page again, and see." },
            ),
            Self::TooManySessions => (
                S::CONFLICT,
                "Signed in too often",
                html! { "You are signed in on as many devices as this site allows. Sign out on one of them, and try again here." },
            ),
            Self::RateLimited => (
                S::TOO_MANY_REQUESTS,
                "Slow down",
                html! { "Too many requests came from here. Wait a minute, and try again." },
            ),
            Self::Throttled(millis) => {
                let seconds = counted(seconds_rounded_up(millis), "second");
                (S::TOO_MANY_REQUESTS, "Too many wrong attempts", html! { "Try again in " (seconds) "." })
            }
            Self::SwitchedOff(_) => (
                S::SERVICE_UNAVAILABLE,
                "Switched off",
                html! { "Those who run this site have switched this off for now. Nothing was changed. Try again later." },
            ),
            Self::RegistrationClosed => (
                S::SERVICE_UNAVAILABLE,
                "No new accounts",
                html! { "Accounts are made by those who run this site. Ask them for one." },
            ),
            Self::Unavailable => (
                S::SERVICE_UNAVAILABLE,
                "Not available right now",
                html! { "The server cannot answer at the moment. You are still signed in if you were. Try again in a moment." },
            ),
            Self::Internal => (
                S::INTERNAL_SERVER_ERROR,
                "Something went wrong",
                html! { "It is the server’s fault, and has been noted." },
            ),
        };
        Words { status, title, text }
    }

    pub(super) const fn retry_millis(self) -> Option<i64> {
        match self {
            Self::Throttled(millis) => Some(millis),
            Self::Unavailable => Some(RETRY_SECONDS * 1_000),
            _ => None,
        }
    }

    fn main(self) -> Markup {
        let Words { title, text, .. } = self.words();
        html! {
            h1 { (title) }
            p { (text) }
            p.foot { a href="/" { "To the start" } }
        }
    }
}

/// An error that no handler made.
pub(super) fn of_status(status: StatusCode) -> String {
    let error = match status {
        StatusCode::NOT_FOUND => PageError::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => PageError::WrongMethod,
        StatusCode::PAYLOAD_TOO_LARGE => PageError::BodyTooLarge,
        StatusCode::TOO_MANY_REQUESTS => PageError::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => PageError::Unavailable,
        StatusCode::INTERNAL_SERVER_ERROR => PageError::Internal,
        _ => {
            let main = html! { h1 { "Not possible" } p { "The request was refused." } };
            return document(None, "Not possible", None, &main).into_string();
        }
    };
    document(None, error.words().title, None, &error.main()).into_string()
}

/// Leads to a page that leads back, if there is a page to be led back to.
fn led_by(request: &HttpRequest, door: &str) -> HttpResponse {
    if !is_safe(request.method()) {
        return see_other(request, door);
    }
    let asked = request.uri().path_and_query().map_or("/", |asked| asked.as_str());
    see_other(request, &leading_to(door, asked))
}

impl DialectError for PageError {
    type Dialect = Pages;

    fn nothing_here() -> Self {
        Self::NotFound
    }

    fn wrong_method() -> Self {
        Self::WrongMethod
    }

    fn may_be_stale(&self) -> bool {
        matches!(self, Self::NotFound | Self::Conflict)
    }

    fn respond(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Self::SignIn => return led_by(request, "/login"),
            Self::SignedIn => return see_other(request, "/account"),
            Self::Confirm => return led_by(request, CONFIRM),
            _ => {}
        }
        let Words { status, title, .. } = self.words();
        let mut response = respond(request, status, None, document(Kit::find(request), title, None, &self.main()));
        if let Some(millis) = self.retry_millis() {
            response.headers_mut().insert(RETRY_AFTER, seconds_rounded_up(millis).into());
        }
        response
    }
}

impl From<Denial> for PageError {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::RateLimited => Self::RateLimited,
            Denial::SwitchedOff(switch) => Self::SwitchedOff(switch),
            Denial::Unauthenticated | Denial::SecondFactorPending => Self::SignIn,
            Denial::AlreadyAuthenticated => Self::SignedIn,
            Denial::Banned => Self::Banned,
            Denial::CrossSite => Self::CrossSite,
            Denial::NotStaff => Self::NotStaff,
            Denial::StaffFactorMissing => Self::StaffFactorMissing,
            Denial::ScopeMissing => Self::Scoped,
        }
    }
}

impl From<ServerError> for PageError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Unavailable => Self::Unavailable,
            ServerError::Internal => Self::Internal,
        }
    }
}

impl From<StorageError> for PageError {
    fn from(error: StorageError) -> Self {
        ServerError::from(error).into()
    }
}

impl From<InternalError> for PageError {
    fn from(error: InternalError) -> Self {
        ServerError::from(error).into()
    }
}

impl From<WorkError> for PageError {
    fn from(error: WorkError) -> Self {
        ServerError::from(error).into()
    }
}

impl From<SelfAction> for PageError {
    fn from(SelfAction: SelfAction) -> Self {
        Self::Oneself
    }
}

impl From<StaffSessionError> for PageError {
    fn from(error: StaffSessionError) -> Self {
        match error {
            StaffSessionError::UnknownUser => Self::NotFound,
            StaffSessionError::Storage(error) => error.into(),
        }
    }
}

impl From<BodyError> for PageError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::BodyTooLarge,
            // Such a body has no fields, which is told of each.
            BodyError::NotAnObject => Self::Conflict,
        }
    }
}

impl From<ChangeError> for PageError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Refused(refusal) => refusal.into(),
            ChangeError::Internal(error) => error.into(),
        }
    }
}

impl From<Refusal> for PageError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Gone | Refusal::UnknownFactor => Self::NotFound,
            Refusal::Taken
            | Refusal::FactorTaken
            | Refusal::FactorsFull
            | Refusal::FactorMissing
            | Refusal::PasskeysMissing
            | Refusal::TooManySessions => Self::Conflict,
            Refusal::Stale(failed) => failed.into(),
        }
    }
}

/// What was good when the request was checked, and is not any more, gets the answer that a request begun now gets.
impl From<PreconditionFailed> for PageError {
    fn from(failed: PreconditionFailed) -> Self {
        match failed {
            PreconditionFailed::SessionEnded => Self::SignIn,
            PreconditionFailed::Banned => Self::Banned,
            PreconditionFailed::NotStaff => Self::NotStaff,
            PreconditionFailed::StaffFactorMissing => Self::StaffFactorMissing,
            PreconditionFailed::ConfirmationOver => Self::Confirm,
            PreconditionFailed::PasswordChanged | PreconditionFailed::AnswerSpent => Self::Conflict,
        }
    }
}
