//! `/login` and `/login/verify`: name and password, and then the second factor where there is one. Nobody has a session
//! before all of it is shown.

pub(super) mod form;
pub(super) mod show;
pub(super) mod submit;
pub(super) mod verify;

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, SET_COOKIE};
use thunderhead_auth::sessions::opening::Issued;
use thunderhead_domain::authorization::{LoginCaller, PresentedSession};
use thunderhead_domain::session::{Grant, Session};

use crate::access::call::Call;
use crate::access::limit_class::Submission;
use crate::pages::layout::see_other;
use crate::pages::pass;
use crate::pages::redirect::NextPlace;
use crate::request::body::read_form_fields;

/// What is submitted is a password, always.
pub(super) const SUBMISSION: Submission = Submission {
    read: |request, payload| Box::pin(async move { read_form_fields(&request, payload).await }),
    is_answer: |_| false,
};

/// Whether somebody has a session that these pages take.
pub(super) fn is_signed_in(caller: &LoginCaller) -> bool {
    session_of(caller).is_some()
}

/// The session that somebody has, if these pages take it.
fn session_of(caller: &LoginCaller) -> Option<&Session> {
    match caller.presented() {
        PresentedSession::Live(authenticated) => {
            Some(&authenticated.session).filter(|session| session.grant == Grant::Full)
        }
        PresentedSession::Nothing | PresentedSession::SecondFactorPending(_) => None,
    }
}

/// Gives a browser the session that was opened, and leads on.
pub(super) async fn signed_in(call: &Call, issued: &Issued, remember: bool, destination: &NextPlace) -> HttpResponse {
    call.note_user(issued.user.id);
    let mut response = see_other(call.request(), destination.location());
    let token = issued.token.expose();
    let cookie = if remember {
        let now = call.auth().clock().now();
        call.cookie().giving(token, issued.session.expires_at.unix_seconds() - now.unix_seconds())
    } else {
        call.cookie().giving_until_closed(token)
    };
    match HeaderValue::from_str(&cookie.to_string()) {
        Ok(cookie) => response.headers_mut().append(SET_COOKIE, cookie),
        Err(error) => tracing::error!(error = %error, "a session cookie was not set"),
    }
    pass::try_to_give(call, &issued.session, &mut response).await;
    response
}
