//! `/login/verify`: the second factor of a sign-in.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::html;
use thunderhead_auth::credentials::challenge::AnswerError;
use thunderhead_auth::sessions::login::{FactorLogin, LoginError};
use thunderhead_auth::sessions::opening::TokenForm;
use thunderhead_domain::authorization::{Guest, LoginCaller};

use crate::access::call::Call;
use crate::pages::Kit;
use crate::pages::error::{PageError, PageResult};
use crate::pages::factor::FactorQuestion;
use crate::pages::layout::{HtmlPage, see_other};
use crate::pages::login::form::SignInForm;
use crate::pages::login::{shut_out, signed_in};
use crate::pages::redirect::NextPlace;

const TITLE: &str = "One more step";

/// Whoever loads the page again has no challenge any more.
pub(crate) async fn begin_anew(call: Call) -> PageResult {
    let destination = NextPlace::of(call.request(), Kit::of(&call)?.site());
    Ok(see_other(call.request(), &destination.after("/login")))
}

/// The page.
pub(super) fn ask(
    call: &Call,
    question: &FactorQuestion,
    remember: bool,
    destination: &NextPlace,
    status: StatusCode,
) -> HttpResponse {
    let hidden: &[_] = if remember { &[("remember", "on")] } else { &[] };
    let main = html! {
        h1 { (TITLE) }
        p { "The password is right. Show a second factor." }
        (question.forms(&destination.after("/login/verify"), hidden))
        p.foot { a href=(destination.after("/login")) { "Begin again" } }
    };
    HtmlPage::new(call, TITLE).status(status).leading_to(destination.origin()).show(&main)
}

pub(crate) async fn submit(caller: LoginCaller, call: Call) -> PageResult {
    let guest = caller.guest();
    shut_out(guest, attempt(guest, &call).await)
}

async fn attempt(guest: Guest, call: &Call) -> PageResult {
    let destination = NextPlace::of(call.request(), Kit::of(call)?.site());
    let fields = call.form().await?;
    let (question, remember) = (FactorQuestion::again(&fields), fields.has("remember"));
    let answer = match FactorQuestion::answer(&fields) {
        Ok(answer) => answer,
        Err(missing) => {
            if let Some(switch) = guest.staff_only() {
                return Err(PageError::SwitchedOff(switch));
            }
            let question = question.without_answer(missing);
            return Ok(ask(call, &question, remember, &destination, StatusCode::BAD_REQUEST));
        }
    };
    let kind = answer.shown.kind();
    let login = FactorLogin { answer, form: TokenForm::Opaque, remember, device: call.device() };
    match call.auth().logins.log_in_with_factor(guest, login).await {
        Ok(issued) => Ok(signed_in(call, &issued, remember, &destination).await),
        Err(LoginError::Answer(AnswerError::Wrong | AnswerError::OtherKind)) => {
            Ok(ask(call, &question.wrong(kind), remember, &destination, StatusCode::UNAUTHORIZED))
        }
        Err(LoginError::Answer(AnswerError::Malformed | AnswerError::Closed) | LoginError::UnknownUser) => {
            let problem = Some("That sign-in took too long, or failed too often. Begin again.");
            let form = SignInForm { problem, remember, ..SignInForm::new(&destination, guest.staff_only()) };
            form.show(call, StatusCode::UNAUTHORIZED).await
        }
        Err(LoginError::Banned) => Err(PageError::Banned),
        Err(LoginError::TooManySessions) => Err(PageError::TooManySessions),
        Err(LoginError::Throttled(millis) | LoginError::Answer(AnswerError::Throttled(millis))) => {
            Err(PageError::Throttled(millis))
        }
        Err(LoginError::SwitchedOff(switch)) => Err(PageError::SwitchedOff(switch)),
        Err(LoginError::Internal(error) | LoginError::Answer(AnswerError::Internal(error))) => Err(error.into()),
        // No password was shown here, so none is wrong, and no other challenge is given.
        Err(LoginError::WrongPassword | LoginError::ChallengeRequired(_)) => Err(PageError::Internal),
    }
}
