//! `/link/{token}`: a one-time link, by which somebody sets a password, or makes a passkey instead, who cannot sign in
//! (`docs/MODEL.md`, *One-time links*). To look at it changes nothing.

use actix_web::http::StatusCode;
use maud::{Markup, html};
use thunderhead_auth::credentials::link::{GoodLink, LinkError, LinkPasskey, LinkPasskeyError};
use thunderhead_auth::credentials::passkey::PasskeyChallenge;
use thunderhead_domain::factor::FactorName;

use crate::access::call::Call;
use crate::pages::error::{PageError, PageResult};
use crate::pages::layout::{HtmlPage, see_other_saying};
use crate::pages::new_password::{PasswordErrors, new_password};
use crate::pages::notice::Notice;
use crate::pages::security::codes;
use crate::request::body::Fields;

const TITLE: &str = "Set a password";
const FORGOTTEN: &str = "A passkey was not made, or not in time. Try it again.";

pub(super) async fn show(call: Call) -> PageResult {
    let link = find(&call).await?;
    form(&call, &link, PasswordErrors::default(), None, StatusCode::OK)
}

pub(super) async fn submit(call: Call) -> PageResult {
    let link = find(&call).await?;
    let fields = call.form().await?;
    if fields.has("token") {
        return make_passkey(&call, link, &fields).await;
    }
    let password = match new_password(&call, &fields, link.user()).await? {
        Ok(password) => password,
        Err(errors) => return form(&call, &link, errors, None, StatusCode::BAD_REQUEST),
    };
    call.note_user(link.user().id);
    call.auth().links.use_up(link, password, call.client_ip()).await?;
    Ok(see_other_saying(&call, "/login", Notice::PasswordSet))
}

async fn make_passkey(call: &Call, link: GoodLink, fields: &Fields) -> PageResult {
    let response = fields.text("response").and_then(|response| serde_json::from_str(response).ok());
    let Some(response) = response else {
        return form(call, &link, PasswordErrors::default(), Some(FORGOTTEN), StatusCode::BAD_REQUEST);
    };
    let token = fields.text("token").unwrap_or_default().to_owned();
    let passkey = LinkPasskey { token, name: FactorName::made_of("Passkey".to_owned()), response };
    let user = link.user().id;
    match call.auth().links.use_for_passkey(link, passkey, call.client_ip()).await {
        Ok(new_codes) => {
            call.note_user(user);
            Ok(codes::shown_to_visitor(call, &new_codes))
        }
        Err(LinkPasskeyError::Link(error)) => Err(error.into()),
        Err(LinkPasskeyError::Refused) => {
            let link = find(call).await?;
            form(call, &link, PasswordErrors::default(), Some(FORGOTTEN), StatusCode::UNAUTHORIZED)
        }
    }
}

async fn find(call: &Call) -> Result<GoodLink, LinkError> {
    call.auth().links.find(call.path("token")).await
}

/// The form goes back to where it stands: the link is nowhere in the page.
fn form(
    call: &Call,
    link: &GoodLink,
    errors: PasswordErrors,
    passkey_error: Option<&str>,
    status: StatusCode,
) -> PageResult {
    let passkey = call.auth().links.offer_passkey(link)?;
    let [mut password, confirmation] = errors.fields();
    password.focus |= errors == PasswordErrors::default();
    let main = html! {
        h1 { (TITLE) }
        p { "It ends every session of the account. Then sign in with it." }
        form method="post" {
            div.field {
                label for="username" { "User name" }
                input type="text" id="username" value=(link.user().username) autocomplete="username" readonly;
            }
            (password.shown())
            (confirmation.shown())
            button.wide { (TITLE) }
        }
        @if let Some(passkey) = passkey { (passkey_form(&passkey, passkey_error)) }
    };
    Ok(HtmlPage::new(call, TITLE).status(status).show(&main))
}

fn passkey_form(passkey: &PasskeyChallenge, error: Option<&str>) -> Markup {
    html! {
        h2 { "Or make a passkey instead" }
        p { "It signs you in by the lock of your device. There is no password then that anybody could learn." }
        form method="post" data-webauthn="create" data-options=(passkey.options)
            data-asks="Your browser asks where to keep it." {
            input type="hidden" name="token" value=(passkey.token);
            input type="hidden" name="response" value="";
            @if let Some(error) = error { p.error role="alert" { (error) } }
            noscript { p { "Passkeys need JavaScript, which is off in this browser." } }
            p role="status" {}
            button.plain.wide.needs-script { "Make a passkey" }
        }
    }
}

impl From<LinkError> for PageError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Unknown => Self::LinkOver,
            LinkError::Banned => Self::Banned,
            LinkError::Internal(error) => error.into(),
        }
    }
}
