//! `/register`: an account for oneself, and its first session.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::html;
use thunderhead_auth::accounts::register::{RegisterError, Registering};
use thunderhead_auth::email::parse_email;
use thunderhead_auth::sessions::opening::TokenForm;
use thunderhead_auth::settings::Registration;
use thunderhead_domain::authorization::Guest;
use thunderhead_domain::user::Username;

use crate::access::call::Call;
use crate::pages::Kit;
use crate::pages::error::{PageError, PageResult};
use crate::pages::form::{TextField, checkbox};
use crate::pages::layout::HtmlPage;
use crate::pages::login::signed_in;
use crate::pages::new_password::{PasswordErrors, candidate, estimated};
use crate::pages::redirect::NextPlace;

const TITLE: &str = "Make an account";

/// The page, as it was filled in.
struct RegisterForm<'a> {
    destination: &'a NextPlace,
    name: &'a str,
    email: &'a str,
    remember: bool,
    name_error: Option<&'static str>,
    email_error: Option<&'static str>,
    password_errors: PasswordErrors,
}

impl<'a> RegisterForm<'a> {
    fn new(destination: &'a NextPlace) -> Self {
        Self {
            destination,
            name: "",
            email: "",
            remember: false,
            name_error: None,
            email_error: None,
            password_errors: PasswordErrors::default(),
        }
    }

    fn show(&self, call: &Call, status: StatusCode) -> HttpResponse {
        let name = TextField {
            autocomplete: "username",
            value: self.name,
            hint: "Letters, digits, _, - and ., up to 64 of them.",
            error: self.name_error,
            focus: status == StatusCode::OK || self.name_error.is_some(),
            ..TextField::new("username", "User name")
        };
        let email = TextField {
            kind: "email",
            autocomplete: "email",
            value: self.email,
            error: self.email_error,
            focus: !name.focus && self.email_error.is_some(),
            ..TextField::new("email", "E-mail address")
        };
        let [mut password, mut confirmation] = self.password_errors.fields();
        let is_above = name.focus || email.focus;
        password.focus &= !is_above;
        confirmation.focus &= !is_above;
        let main = html! {
            h1 { (TITLE) }
            @if let Some(host) = self.destination.host() { p { "You will go on to " b { (host) } "." } }
            form method="post" action=(self.destination.after("/register")) {
                (name.shown())
                (email.shown())
                (password.shown())
                (confirmation.shown())
                (checkbox("remember", "Stay signed in", "On this device, until you sign out", self.remember))
                button.wide { (TITLE) }
            }
            p.foot { "You have one? " a href=(self.destination.after("/login")) { "Sign in" } "." }
        };
        HtmlPage::new(call, TITLE).status(status).leading_to(self.destination.origin()).show(&main)
    }
}

pub(super) async fn show(_: Guest, call: Call) -> PageResult {
    check_open(&call)?;
    let destination = NextPlace::of(call.request(), Kit::of(&call)?.site());
    Ok(RegisterForm::new(&destination).show(&call, StatusCode::OK))
}

fn check_open(call: &Call) -> Result<(), PageError> {
    match call.auth().policy().registration {
        Registration::Open => Ok(()),
        Registration::Closed => Err(PageError::RegistrationClosed),
    }
}

pub(super) async fn submit(guest: Guest, call: Call) -> PageResult {
    check_open(&call)?;
    let destination = NextPlace::of(call.request(), Kit::of(&call)?.site());
    let fields = call.form().await?;
    let text = |name| fields.text(name).unwrap_or_default();
    let (name, email, remember) = (text("username").trim(), text("email").trim(), fields.has("remember"));
    let form = RegisterForm { name, email, remember, ..RegisterForm::new(&destination) };
    let username = Username::try_from(name.to_owned());
    let address = parse_email(email);
    let password = candidate(&fields, vec![name.to_owned(), email.to_owned()]);
    let (username, address, password) = match (username, address, password) {
        (Ok(username), Ok(address), Ok(password)) => (username, address, password),
        (username, address, password) => {
            let name_error = username.err().map(|_| "This cannot be a user name: see below.");
            let email_error = address.err().map(|_| "This is no e-mail address.");
            let password_errors = password.err().unwrap_or_default();
            let form = RegisterForm { name_error, email_error, password_errors, ..form };
            return Ok(form.show(&call, StatusCode::BAD_REQUEST));
        }
    };
    let password = match estimated(&call, password).await? {
        Ok(password) => password,
        Err(password_errors) => {
            return Ok(RegisterForm { password_errors, ..form }.show(&call, StatusCode::BAD_REQUEST));
        }
    };
    let device = call.device();
    let asked = Registering { username, email: address, password, form: TokenForm::Opaque, remember, device };
    match call.auth().registrations.register(guest, asked).await {
        Ok(issued) => Ok(signed_in(&call, &issued, remember, &destination).await),
        Err(RegisterError::Closed) => Err(PageError::RegistrationClosed),
        Err(RegisterError::Taken) => {
            let name_error = Some("The name or the address is taken. Choose another one, or sign in if it is yours.");
            Ok(RegisterForm { name_error, ..form }.show(&call, StatusCode::CONFLICT))
        }
        Err(RegisterError::Internal(error)) => Err(error.into()),
    }
}
