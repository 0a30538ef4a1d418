//! `POST /login`: the password, or a passkey.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::Value;
use thunderhead_auth::credentials::challenge::AnswerError;
use thunderhead_auth::credentials::passkey::ShownPasskey;
use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::sessions::login::{Login, LoginError, NamedBy, PasskeyLogin, SecondStep};
use thunderhead_auth::sessions::opening::TokenForm;
use thunderhead_auth::settings::LoginErrors;
use thunderhead_domain::authorization::{Guest, LoginCaller};

use crate::access::call::Call;
use crate::pages::Kit;
use crate::pages::error::{PageError, PageResult};
use crate::pages::factor::FactorQuestion;
use crate::pages::login::form::{PASSKEY_RESPONSE, PASSKEY_TOKEN, SignInForm};
use crate::pages::login::verify;
use crate::pages::login::{shut_out, signed_in};
use crate::pages::redirect::NextPlace;
use crate::request::body::Fields;

/// What was typed.
struct Typed {
    name: String,
    password: Option<String>,
    remember: bool,
}

impl Typed {
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).unwrap_or_default().to_owned();
        let password = Some(text("password")).filter(|password| !password.is_empty());
        Self { name: text("username"), password, remember: fields.has("remember") }
    }
}

pub(crate) async fn submit(caller: LoginCaller, call: Call) -> PageResult {
    let guest = caller.guest();
    shut_out(guest, attempt(guest, &call).await)
}

async fn attempt(guest: Guest, call: &Call) -> PageResult {
    let destination = NextPlace::of(call.request(), Kit::of(call)?.site());
    let fields = call.form().await?;
    if let Some(shown) = shown_passkey(&fields) {
        return by_passkey(guest, call, shown, &destination, fields.has("remember")).await;
    }
    let Typed { name, password, remember } = Typed::of(&fields);
    let form = SignInForm { name: &name, remember, ..SignInForm::new(&destination, guest.staff_only()) };
    let name_error = name.trim().is_empty().then_some("Type your name or address.");
    let password_error = password.is_none().then_some("Type your password.");
    let Some(password) = password.filter(|_| name_error.is_none()) else {
        if let Some(switch) = guest.staff_only() {
            return Err(PageError::SwitchedOff(switch));
        }
        return SignInForm { name_error, password_error, ..form }.show(call, StatusCode::BAD_REQUEST).await;
    };
    let login = Login {
        name: name.clone(),
        named_by: NamedBy::UsernameOrEmail,
        form: TokenForm::Opaque,
        second_step: SecondStep::Challenge,
        password: Password::new(password),
        remember,
        device: call.device(),
    };
    match call.auth().logins.log_in(guest, login).await {
        Ok(issued) => Ok(signed_in(call, &issued, remember, &destination).await),
        Err(error) => refused(call, form, error).await,
    }
}

/// Where nobody is let in: the same page with what is wrong, or the second step.
async fn refused(call: &Call, form: SignInForm<'_>, error: LoginError) -> Result<HttpResponse, PageError> {
    let is_uniform = call.auth().policy().login_errors == LoginErrors::Uniform;
    let form = match error {
        LoginError::ChallengeRequired(given) => {
            let question = FactorQuestion::of(*given);
            return Ok(verify::ask(call, &question, form.remember, form.destination, StatusCode::OK));
        }
        LoginError::UnknownUser if is_uniform => {
            SignInForm { problem: Some("The name or the password is wrong."), ..form }
        }
        LoginError::UnknownUser => SignInForm { name_error: Some("Nobody has this name or address."), ..form },
        LoginError::WrongPassword => SignInForm { password_error: Some("The password is wrong."), ..form },
        LoginError::Banned => return Err(PageError::Banned),
        LoginError::TooManySessions => return Err(PageError::TooManySessions),
        LoginError::Throttled(millis) => return Err(PageError::Throttled(millis)),
        LoginError::SwitchedOff(switch) => return Err(PageError::SwitchedOff(switch)),
        LoginError::Internal(error) => return Err(error.into()),
        // Nothing was answered here.
        LoginError::Answer(_) => return Err(PageError::Internal),
    };
    form.show(call, StatusCode::UNAUTHORIZED).await
}

/// What a passkey has answered, where one has.
pub(in crate::pages) fn shown_passkey(fields: &Fields) -> Option<ShownPasskey> {
    let response: Value = serde_json::from_str(fields.text(PASSKEY_RESPONSE)?).ok()?;
    Some(ShownPasskey { token: fields.text(PASSKEY_TOKEN).unwrap_or_default().to_owned(), response })
}

async fn by_passkey(
    guest: Guest,
    call: &Call,
    shown: ShownPasskey,
    destination: &NextPlace,
    remember: bool,
) -> PageResult {
    let login = PasskeyLogin { shown, form: TokenForm::Opaque, remember, device: call.device() };
    let problem = match call.auth().logins.log_in_with_passkey(guest, login).await {
        Ok(issued) => return Ok(signed_in(call, &issued, remember, destination).await),
        Err(LoginError::Answer(AnswerError::Malformed | AnswerError::Closed)) => "That took too long. Try it again.",
        Err(LoginError::Answer(AnswerError::Internal(error))) => return Err(error.into()),
        Err(LoginError::Answer(_) | LoginError::UnknownUser) => "This passkey is not known here, or was not accepted.",
        Err(error) => {
            let form = SignInForm { remember, ..SignInForm::new(destination, guest.staff_only()) };
            return refused(call, form, error).await;
        }
    };
    let form = SignInForm { problem: Some(problem), remember, ..SignInForm::new(destination, guest.staff_only()) };
    form.show(call, StatusCode::UNAUTHORIZED).await
}
