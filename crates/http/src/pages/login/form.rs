//! The sign-in page, empty or with what is wrong.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{Markup, html};
use thunderhead_auth::credentials::passkey::PasskeyChallenge;
use thunderhead_auth::settings::Registration;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::time::Timestamp;

use crate::access::call::Call;
use crate::pages::error::PageError;
use crate::pages::form::{TextField, checkbox};
use crate::pages::layout::{HtmlPage, alert};
use crate::pages::redirect::NextPlace;

/// The fields by which a script sends a passkey's answer.
pub(in crate::pages) const PASSKEY_TOKEN: &str = "passkey-token";
pub(in crate::pages) const PASSKEY_RESPONSE: &str = "passkey-response";

/// The command that makes the first account, without what this server was started with: that is nobody's business.
const FIRST_ACCOUNT: &str = "thunderhead user create NAME --email ADDRESS --staff";

/// The sign-in page as somebody gets it.
pub(super) struct SignInForm<'a> {
    pub(super) destination: &'a NextPlace,
    /// The name as it was typed.
    pub(super) name: &'a str,
    pub(super) remember: bool,
    /// What is wrong as a whole.
    pub(super) problem: Option<&'a str>,
    pub(super) name_error: Option<&'a str>,
    pub(super) password_error: Option<&'a str>,
    /// The switch under which staff alone sign in.
    pub(super) staff_only: Option<KillSwitch>,
}

impl<'a> SignInForm<'a> {
    pub(super) const fn new(destination: &'a NextPlace, staff_only: Option<KillSwitch>) -> Self {
        Self {
            destination,
            name: "",
            remember: false,
            problem: None,
            name_error: None,
            password_error: None,
            staff_only,
        }
    }

    pub(super) async fn show(&self, call: &Call, status: StatusCode) -> Result<HttpResponse, PageError> {
        let passkey = call.auth().passkeys.ask()?;
        let is_new = !call.auth().accounts.has_any().await?;
        let is_open = call.auth().policy().registration == Registration::Open;
        let main = html! {
            h1 { "Sign in" }
            @if let Some(problem) = self.problem { (alert(problem)) }
            @if self.staff_only.is_some() {
                div.note.warn { p { "Sign-in is switched off for now. Staff alone can sign in." } }
            }
            @if is_new { (first_account(is_open)) }
            @if let Some(host) = self.destination.host() { p { "You will go on to " b { (host) } "." } }
            (self.fields(&passkey, call.auth().clock().now()))
            @if is_open && !is_new { p.foot { "No account yet? " a href=(self.destination.after("/register")) { "Make one" } "." } }
        };
        let page = HtmlPage::new(call, "Sign in").status(status).leading_to(self.destination.origin());
        Ok(page.show(&main))
    }

    fn fields(&self, passkey: &PasskeyChallenge, now: Timestamp) -> Markup {
        let name = TextField {
            autocomplete: "username webauthn",
            value: self.name,
            error: self.name_error,
            // Where the name is known to be right, the password is what is to be typed again.
            focus: self.name.is_empty() || self.name_error.is_some(),
            ..TextField::new("username", "User name or e-mail address")
        };
        let password = TextField {
            error: self.password_error,
            focus: !name.focus,
            ..TextField::password("password", "Password", "current-password")
        };
        html! {
            form method="post" action=(self.destination.after("/login")) data-passkey=(passkey.options)
                data-seconds=(passkey.expires_at.unix_seconds() - now.unix_seconds()) {
                (name.shown())
                (password.shown())
                (checkbox("remember", "Stay signed in", "On this device, until you sign out", self.remember))
                button.wide { "Sign in" }
                input type="hidden" name=(PASSKEY_TOKEN) value=(passkey.token);
                input type="hidden" name=(PASSKEY_RESPONSE) value="";
                p role="status" {}
                button.plain.wide.needs-script type="button" data-use-passkey { "Sign in with a passkey" }
            }
        }
    }
}

fn first_account(is_open: bool) -> Markup {
    html! {
        div.note {
            p { b { "Nobody has an account yet." } " Make the first one, with staff rights, where this server runs:" }
            pre { (FIRST_ACCOUNT) }
            p { "The server has printed the whole command when it started." }
            @if is_open { p { "Or " a href="/register" { "register" } " here: whoever does is an ordinary user." } }
        }
    }
}
