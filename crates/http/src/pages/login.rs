//! `/login` and `/login/verify`: name and password, and then the second factor where there is one. Nobody has a session
//! before all of it is shown.

pub(in crate::pages) mod form;
pub(super) mod show;
pub(in crate::pages) mod submit;
pub(super) mod verify;

use actix_web::HttpResponse;
use thunderhead_auth::sessions::opening::Issued;
use thunderhead_auth::tokens::token::PlainToken;
use thunderhead_domain::authorization::{Guest, LoginCaller, PresentedSession};
use thunderhead_domain::session::{Grant, Session};

use crate::access::call::Call;
use crate::access::limit_class::Submission;
use crate::pages::error::{PageError, PageResult};
use crate::pages::layout::see_other;
use crate::pages::pass;
use crate::pages::redirect::NextPlace;
use crate::request::body::read_form_fields;
use crate::request::cookie::set_cookie;

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

/// Under a switch everybody who does not get in gets the same answer, whatever they sent.
fn shut_out(guest: Guest, outcome: PageResult) -> PageResult {
    match (guest.staff_only(), outcome) {
        (Some(switch), Err(PageError::BodyTooLarge)) => Err(PageError::SwitchedOff(switch)),
        (_, outcome) => outcome,
    }
}

/// Gives a browser the session that was opened, and leads on.
pub(super) async fn signed_in(call: &Call, issued: &Issued, remember: bool, destination: &NextPlace) -> HttpResponse {
    call.note_user(issued.user.id);
    let mut response = see_other(call.request(), destination.location());
    give_session(call, &mut response, &issued.token, &issued.session, remember);
    pass::try_to_give(call, &issued.session, &mut response).await;
    response
}

/// Gives a browser the token of a session, for as long as that lasts or until the browser is closed.
pub(super) fn give_session(
    call: &Call,
    response: &mut HttpResponse,
    token: &PlainToken,
    session: &Session,
    remember: bool,
) {
    let cookie = if remember {
        let seconds_left = session.expires_at.unix_seconds() - call.auth().clock().now().unix_seconds();
        call.cookie().giving(token.expose(), seconds_left)
    } else {
        call.cookie().giving_until_closed(token.expose())
    };
    set_cookie(response, &cookie);
}
