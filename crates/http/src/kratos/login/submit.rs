//! `POST /auth/self-service/login?flow=`.

use actix_web::HttpResponse;
use schemars::{SchemaGenerator, json_schema};
use thunderhead_auth::changes::ChangeError;
use thunderhead_auth::credentials::challenge::{AnswerError, ShownFactor};
use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::sessions::login::{Login, LoginError, NamedBy, SecondStep};
use thunderhead_auth::sessions::opening::{Issued, TokenForm};
use thunderhead_auth::sessions::step_up::StepUpError;
use thunderhead_auth::tokens::flow::Flow;
use thunderhead_domain::authorization::{AuthenticatedSession, Guest, LoginCaller, PresentedSession};
use thunderhead_domain::change_authorization::{PreconditionFailed, Refusal};
use thunderhead_domain::session::Session;
use thunderhead_domain::user::User;

use crate::access::call::Call;
use crate::access::dialect::HttpDialect;
use crate::kratos::error::{KratosError, KratosResult};
use crate::kratos::login::check_live;
use crate::kratos::query::uuid;
use crate::kratos::wire::Expand;
use crate::kratos::wire::{FlowBody, KratosLogin, Message, View, done};
use crate::kratos::{Kratos, place};
use crate::request::body::{BodySchema, Fields, RequestBody, body};
use crate::request::cookie::set_cookie;
use crate::request::credential::Credential;
use crate::request::query::texts;

/// What is submitted.
pub(crate) enum SubmitMethod {
    Password,
    Totp,
    LookupSecret,
}

body! {
    struct KratosLoginWithPassword {
        /// The user name or the e-mail address.
        identifier: String = "ada",
        password: Password,
    }
}

body! {
    struct KratosLoginWithTotp {
        /// The code of an authenticator app.
        totp_code: String = "123456",
    }
}

body! {
    struct KratosLoginWithBackupCode {
        /// A backup code.
        lookup_secret: String = "MFRGG2-DFMZTW-Q2LKNM-YTCMJR",
    }
}

/// The fields of a submission.
pub(crate) fn schema(generator: &mut SchemaGenerator) -> BodySchema {
    let with_password = by("password", KratosLoginWithPassword::schema(generator));
    let with_totp = by("totp", KratosLoginWithTotp::schema(generator));
    with_password.or(with_totp).or(by("lookup_secret", KratosLoginWithBackupCode::schema(generator)))
}

/// The fields of a method.
fn by(method: &str, mut fields: BodySchema) -> BodySchema {
    fields.declare("method", json_schema!({"const": method}), true, "", &[]);
    fields
}

impl SubmitMethod {
    /// The method that is chosen, if it is one.
    fn of(fields: &Fields) -> Option<Self> {
        match fields.text("method")? {
            "password" => Some(Self::Password),
            "totp" => Some(Self::Totp),
            "lookup_secret" => Some(Self::LookupSecret),
            _ => None,
        }
    }
}

/// Why nobody is logged in.
enum SubmitError {
    /// What was submitted is no good: the client gets the flow back.
    Submission(Message),
    Error(KratosError),
}

impl<E: Into<KratosError>> From<E> for SubmitError {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

pub(crate) async fn submit(caller: LoginCaller, call: Call) -> KratosResult {
    let outcome = attempt(&caller, &call).await;
    match (caller.guest().staff_only(), outcome) {
        // Under a switch everybody who does not get in gets the same answer, whatever they typed.
        (Some(switch), Err(error)) if !error.is_the_servers() => Err(KratosError::SwitchedOff(switch)),
        (_, outcome) => outcome,
    }
}

async fn attempt(caller: &LoginCaller, call: &Call) -> KratosResult {
    let id = texts(call.request(), "flow").into_iter().next().unwrap_or_default();
    let flow = call.auth().flows.find(uuid(&id).ok_or(KratosError::Malformed("flow", "a UUID"))?)?;
    // Nobody is to be logged in to a stranger's account by a page of the stranger's.
    if flow.browser && !call.is_same_origin() {
        return Err(KratosError::CrossSite);
    }
    let authenticated = match caller.presented() {
        PresentedSession::Live(authenticated) => {
            check_live(authenticated, flow.aal2, flow.refresh)?;
            Some(authenticated)
        }
        PresentedSession::SecondFactorPending(authenticated) => Some(authenticated),
        PresentedSession::Nothing => None,
    };
    let outcome = match (flow.aal2, authenticated) {
        (true, None) => return Err(KratosError::Unauthenticated),
        (true, Some(authenticated)) => second_step(caller.guest(), authenticated, call, &flow).await,
        (false, _) => first_step(caller.guest(), call, &flow).await,
    };
    outcome.map_err(|failure| match failure {
        SubmitError::Submission(message) => {
            KratosError::Resubmit(Box::new(FlowBody::new(&flow, &place::url(call, ""), Some(message))))
        }
        SubmitError::Error(error) => error,
    })
}

/// The password: it opens a session, whose second factor is pending where there is one.
async fn first_step(guest: Guest, call: &Call, flow: &Flow) -> Result<HttpResponse, SubmitError> {
    let fields = call.fields().await?;
    let Some(SubmitMethod::Password) = SubmitMethod::of(&fields) else {
        return Err(SubmitError::Submission(Message::NO_METHOD));
    };
    let KratosLoginWithPassword { identifier, password } = read(fields)?;
    let login = Login {
        name: identifier,
        named_by: NamedBy::UsernameOrEmail,
        form: TokenForm::Opaque,
        second_step: SecondStep::PendingSession,
        password,
        remember: false,
        device: call.device(),
    };
    let Issued { token, session, user } = call.auth().logins.log_in(guest, login).await.map_err(login_failure)?;
    Ok(logged_in(call, flow, Some(token.expose()), &session, &user))
}

/// The second factor: it steps up the session that the request carries, whose token stays the same.
async fn second_step(
    guest: Guest,
    authenticated: &AuthenticatedSession,
    call: &Call,
    flow: &Flow,
) -> Result<HttpResponse, SubmitError> {
    let fields = call.fields().await?;
    let shown = match SubmitMethod::of(&fields) {
        Some(SubmitMethod::Totp) => ShownFactor::Totp(read::<KratosLoginWithTotp>(fields)?.totp_code.into()),
        Some(SubmitMethod::LookupSecret) => {
            ShownFactor::Backup(read::<KratosLoginWithBackupCode>(fields)?.lookup_secret.into())
        }
        Some(SubmitMethod::Password) | None => return Err(SubmitError::Submission(Message::NO_METHOD)),
    };
    let stepped_up = call.auth().logins.step_up(guest, authenticated, shown).await;
    let session = stepped_up.map_err(step_up_error)?;
    let shown = Credential::first_in(Kratos::CREDENTIALS, call.request().headers(), &call.cookie());
    let token = match &shown {
        // What is in a cookie is not shown to the page.
        Credential::Token { text, by_cookie } if flow.browser || !by_cookie => Some(text.expose()),
        _ => None,
    };
    Ok(logged_in(call, flow, token, &session, &authenticated.user))
}

fn read<T: RequestBody>(fields: Fields) -> Result<T, SubmitError> {
    fields.read().map_err(|rejection| match KratosError::of_body(rejection, |_| "a text") {
        KratosError::Malformed(name, _) => SubmitError::Submission(Message::missing(name)),
        other => other.into(),
    })
}

fn logged_in(call: &Call, flow: &Flow, token: Option<&str>, session: &Session, user: &User) -> HttpResponse {
    call.note_user(user.id);
    let now = call.auth().clock().now();
    let view = View {
        now,
        current: Some(session.uuid),
        origin: place::origin(call),
        expand: Expand::EVERYTHING,
        in_list: false,
        with_traits: true,
        with_end: false,
    };
    let body = view.of(session, user);
    if !flow.browser {
        let session_token = token.map(str::to_owned);
        return done(&KratosLogin { session_token, session: body, continue_with: Some(()) });
    }
    let mut response = done(&KratosLogin { session_token: None, session: body, continue_with: None });
    if let Some(token) = token {
        let seconds_left = session.expires_at.unix_seconds() - now.unix_seconds();
        let cookie = call.cookie().giving(token, seconds_left);
        set_cookie(&mut response, &cookie);
    }
    response
}

fn login_failure(error: LoginError) -> SubmitError {
    match error {
        LoginError::UnknownUser | LoginError::WrongPassword => SubmitError::Submission(Message::WRONG),
        LoginError::Banned => KratosError::IdentityDisabled.into(),
        LoginError::TooManySessions => KratosError::TooManySessions.into(),
        LoginError::Throttled(millis) => KratosError::Throttled(millis).into(),
        LoginError::SwitchedOff(switch) => KratosError::SwitchedOff(switch).into(),
        // A session that has its second factor pending takes the place of a challenge.
        LoginError::ChallengeRequired(_) => KratosError::SecondFactorPending.into(),
        LoginError::Answer(error) => answer_failure(error),
        LoginError::Internal(error) => error.into(),
    }
}

fn step_up_error(error: StepUpError) -> SubmitError {
    match error {
        StepUpError::Answer(error) => answer_failure(error),
        StepUpError::Change(ChangeError::Internal(error)) => error.into(),
        StepUpError::SwitchedOff(switch) => KratosError::SwitchedOff(switch).into(),
        StepUpError::Change(ChangeError::Refused(Refusal::TooManySessions)) => KratosError::TooManySessions.into(),
        // The session was good when the request was checked.
        StepUpError::Change(ChangeError::Refused(
            Refusal::Gone
            | Refusal::Taken
            | Refusal::UnknownFactor
            | Refusal::FactorTaken
            | Refusal::FactorsFull
            | Refusal::FactorMissing
            | Refusal::PasskeysMissing
            | Refusal::Stale(
                PreconditionFailed::SessionEnded
                | PreconditionFailed::Banned
                | PreconditionFailed::NotStaff
                | PreconditionFailed::StaffFactorMissing
                | PreconditionFailed::PasswordChanged
                | PreconditionFailed::AnswerSpent
                | PreconditionFailed::ConfirmationOver,
            ),
        )) => KratosError::Unauthenticated.into(),
    }
}

fn answer_failure(error: AnswerError) -> SubmitError {
    match error {
        AnswerError::Malformed | AnswerError::Closed | AnswerError::OtherKind | AnswerError::Wrong => {
            SubmitError::Submission(Message::WRONG)
        }
        AnswerError::Throttled(millis) => KratosError::Throttled(millis).into(),
        AnswerError::Internal(error) => error.into(),
    }
}
