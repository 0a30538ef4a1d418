//! `/account/confirm`: whoever is at the browser shows again who they are, before a page that wants to know it
//! (`docs/MODEL.md`, *Confirming*).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::html;
use thunderhead_auth::changes::{ChangeError, Reverified};
use thunderhead_auth::credentials::challenge::{AnswerError, AnswerKind};
use thunderhead_auth::credentials::confirm::{ConfirmationError, Confirmations, Confirmed};
use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::credentials::reverify::{IdentityProof, ReverifyError};
use thunderhead_domain::assurance::ProofRequirement;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::change_authorization::{PreconditionFailed, Refusal};
use thunderhead_domain::session::Dialect;

use crate::access::call::Call;
use crate::pages::Kit;
use crate::pages::error::{CONFIRM, PageError, PageResult};
use crate::pages::factor::FactorQuestion;
use crate::pages::form::TextField;
use crate::pages::layout::{HtmlPage, Section, alert, see_other};
use crate::pages::login::form::{PASSKEY_RESPONSE, PASSKEY_TOKEN};
use crate::pages::login::give_session;
use crate::pages::login::submit::shown_passkey;
use crate::pages::pass;
use crate::pages::redirect::{MAX_AGE, NextPlace};
use crate::request::cookie::set_cookie;
use crate::request::credential::{Credential, CredentialPlace, TokenText};

const TITLE: &str = "Confirm it is you";
const BEGIN_ANEW: &str = "That took too long, or failed too often. Begin again.";

/// What a caller may change whose session was confirmed a short while ago.
pub(crate) fn confirmed<C: AsRef<Principal>>(call: &Call, caller: C) -> Result<Reverified<C>, PageError> {
    call.auth().confirmations.reverified(caller).ok_or(PageError::Confirm)
}

/// One confirmation.
struct Confirming<'a> {
    call: &'a Call,
    principal: &'a Principal,
    next: NextPlace,
}

pub(super) async fn show(principal: Principal, call: Call) -> PageResult {
    let confirming = Confirming::new(&call, &principal)?;
    if confirming.is_recent() {
        let mut response = see_other(call.request(), confirming.next.location());
        // The application may have been shown the pass of another session.
        pass::give(&call, principal.session(), &mut response).await?;
        return Ok(response);
    }
    if !confirming.token().is_some_and(|token| Confirmations::can_replace(token.expose())) {
        return Ok(confirming.sign_in());
    }
    confirming.ask(None, None, StatusCode::OK).await
}

pub(super) async fn submit(principal: Principal, call: Call) -> PageResult {
    let confirming = Confirming::new(&call, &principal)?;
    let fields = call.form().await?;
    if fields.has(PASSKEY_TOKEN) {
        return match shown_passkey(&fields) {
            Some(shown) => confirming.prove(IdentityProof::Passkey(shown), None).await,
            None => confirming.ask(Some("There was no answer of a passkey."), None, StatusCode::BAD_REQUEST).await,
        };
    }
    if !fields.has("challenge") {
        let password = fields.text("password").unwrap_or_default();
        if password.is_empty() {
            return confirming.ask(None, Some("Type your password."), StatusCode::BAD_REQUEST).await;
        }
        return confirming.prove(IdentityProof::Password(Password::new(password.to_owned())), None).await;
    }
    let question = FactorQuestion::again(&fields);
    match FactorQuestion::answer(&fields) {
        Err(missing) => Ok(confirming.ask_factor(&question.without_answer(missing), StatusCode::BAD_REQUEST)),
        Ok(answer) => {
            let asked = Some((question, answer.shown.kind()));
            confirming.prove(IdentityProof::SecondFactor(answer), asked).await
        }
    }
}

impl<'a> Confirming<'a> {
    fn new(call: &'a Call, principal: &'a Principal) -> Result<Self, PageError> {
        Ok(Self { call, principal, next: NextPlace::of(call.request(), Kit::of(call)?.site()) })
    }

    /// Whether who led here names an age that a proof may have, and there is one.
    fn is_recent(&self) -> bool {
        let named = self.call.query(MAX_AGE).and_then(|text| text.parse().ok());
        named.is_some_and(|seconds| {
            let required = ProofRequirement { max_age: Some(seconds), factor: false };
            let has_second_factor = self.principal.user().has_second_factor;
            let now = self.call.auth().clock().now();
            required.check(&self.principal.session().authentications, has_second_factor, now).is_ok()
        })
    }

    /// The token that the browser has.
    fn token(&self) -> Option<TokenText<'_>> {
        let (headers, cookie) = (self.call.request().headers(), self.call.cookie());
        Credential::first_in(&[CredentialPlace::Cookie], headers, &cookie).into_token()
    }

    /// Checks what was shown. `asked` is the question that it answers, where it is one.
    async fn prove(&self, proof: IdentityProof, asked: Option<(FactorQuestion, AnswerKind)>) -> PageResult {
        let token = self.token();
        let token = token.map(TokenText::expose).unwrap_or_default();
        let by_passkey = matches!(proof, IdentityProof::Passkey(_));
        let error = match self.call.auth().confirmations.confirm(self.principal.clone(), token, proof).await {
            Ok(confirmed) => return Ok(self.lead_on(&confirmed).await),
            Err(error) => error,
        };
        match (refused(error)?, asked) {
            (Refused::SignIn, _) => Ok(self.sign_in()),
            (Refused::Ask(question), _) => Ok(self.ask_factor(&question, StatusCode::OK)),
            (Refused::WrongPassword, _) => {
                self.ask(None, Some("The password is wrong."), StatusCode::UNAUTHORIZED).await
            }
            (Refused::WrongAnswer, _) if by_passkey => {
                self.ask(Some("The passkey was not accepted."), None, StatusCode::UNAUTHORIZED).await
            }
            (Refused::WrongAnswer, Some((question, kind))) => {
                Ok(self.ask_factor(&question.wrong(kind), StatusCode::UNAUTHORIZED))
            }
            (Refused::WrongAnswer | Refused::BeginAnew, _) => {
                self.ask(Some(BEGIN_ANEW), None, StatusCode::UNAUTHORIZED).await
            }
        }
    }

    /// Asks for the password, and for a passkey where there is one.
    async fn ask(&self, problem: Option<&str>, error: Option<&str>, status: StatusCode) -> PageResult {
        let passkey = self.call.auth().passkeys.ask_to_confirm(self.principal).await?;
        let field = TextField::password("password", "Current password", "current-password");
        let field = TextField { error, focus: passkey.is_none() || error.is_some(), ..field };
        let main = html! {
            h1 { (TITLE) }
            @if let Some(problem) = problem { (alert(problem)) }
            p { "What comes next wants to know that nobody else is at your browser. It holds for a while." }
            @if let Some(host) = self.next.host() { p { "You will go on to " b { (host) } "." } }
            @if let Some(passkey) = &passkey {
                form method="post" action=(self.next.after(CONFIRM)) data-webauthn="get" data-options=(passkey.options)
                    data-asks="Your browser asks for your passkey." {
                    input type="hidden" name=(PASSKEY_TOKEN) value=(passkey.token);
                    input type="hidden" name=(PASSKEY_RESPONSE) value="";
                    noscript { p { "Passkeys need JavaScript, which is off in this browser." } }
                    p role="status" {}
                    button.wide.needs-script autofocus[error.is_none()] { "Use a passkey" }
                }
            }
            @if passkey.is_none() && !self.principal.user().has_password {
                div.note { p { "This account has no password and no passkey. Ask for a one-time link, which sets one." } }
            }
            @if self.principal.user().has_password {
                @if passkey.is_some() { h2 { "Or use your password" } }
                form method="post" action=(self.next.after(CONFIRM)) {
                    input.sr type="text" name="username" value=(self.principal.user().username) autocomplete="username"
                        aria-hidden="true" tabindex="-1" readonly;
                    (field.shown())
                    button.wide { "Go on" }
                }
            }
        };
        Ok(self.page(&main, status))
    }

    fn ask_factor(&self, question: &FactorQuestion, status: StatusCode) -> HttpResponse {
        let main = html! {
            h1 { (TITLE) }
            p { "The password is right. Show a second factor." }
            (question.forms(&self.next.after(CONFIRM), &[]))
            p.foot { a href=(self.next.after(CONFIRM)) { "Begin again" } }
        };
        self.page(&main, status)
    }

    fn page(&self, main: &maud::Markup, status: StatusCode) -> HttpResponse {
        let page = HtmlPage::of(self.call, self.principal, Section::Account, TITLE);
        page.status(status).leading_to(self.next.origin()).show(main)
    }

    /// Gives the browser the token that its session has now. The cookie stays as long as the one before.
    async fn lead_on(&self, confirmed: &Confirmed) -> HttpResponse {
        let Confirmed { token, session } = confirmed;
        let lifetime = session.expires_at.unix_seconds() - session.created_at.unix_seconds();
        let remember = session.origin.dialect != Dialect::Pages || lifetime > self.call.auth().policy().lifetimes.pages;
        let mut response = see_other(self.call.request(), self.next.location());
        give_session(self.call, &mut response, token, session, remember);
        if self.next.origin().is_some() {
            pass::try_to_give(self.call, session, &mut response).await;
        }
        response
    }

    /// Who has a token that cannot be replaced gets one that can. The session that it is of stays.
    fn sign_in(&self) -> HttpResponse {
        let mut response = see_other(self.call.request(), &self.next.after("/login"));
        set_cookie(&mut response, &self.call.cookie().clearing());
        response
    }
}

/// What is asked for next.
enum Refused {
    /// A session with another token.
    SignIn,
    /// A second factor.
    Ask(FactorQuestion),
    WrongPassword,
    WrongAnswer,
    BeginAnew,
}

fn refused(error: ConfirmationError) -> Result<Refused, PageError> {
    let error = match error {
        ConfirmationError::SignedToken => return Ok(Refused::SignIn),
        ConfirmationError::Change(ChangeError::Refused(Refusal::Stale(PreconditionFailed::AnswerSpent))) => {
            return Ok(Refused::WrongAnswer);
        }
        ConfirmationError::Change(ChangeError::Refused(Refusal::Stale(PreconditionFailed::PasswordChanged))) => {
            return Ok(Refused::WrongPassword);
        }
        ConfirmationError::Change(error) => return Err(error.into()),
        ConfirmationError::Reverify(error) => error,
    };
    match error {
        ReverifyError::ChallengeRequired(given) => Ok(Refused::Ask(FactorQuestion::of(*given))),
        ReverifyError::WrongPassword => Ok(Refused::WrongPassword),
        ReverifyError::Answer(AnswerError::Wrong | AnswerError::OtherKind) => Ok(Refused::WrongAnswer),
        ReverifyError::Answer(AnswerError::Malformed | AnswerError::Closed) => Ok(Refused::BeginAnew),
        ReverifyError::SessionEnded => Err(PageError::SignIn),
        ReverifyError::Throttled(millis) | ReverifyError::Answer(AnswerError::Throttled(millis)) => {
            Err(PageError::Throttled(millis))
        }
        ReverifyError::Internal(error) | ReverifyError::Answer(AnswerError::Internal(error)) => Err(error.into()),
    }
}
