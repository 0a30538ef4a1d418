//! `/link/{token}`: a one-time link, by which somebody sets a password who cannot sign in (`docs/MODEL.md`, *One-time
//! links*). To look at it changes nothing.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::html;
use thunderhead_auth::credentials::link::{GoodLink, LinkError};
use thunderhead_domain::user::User;

use crate::access::call::Call;
use crate::pages::error::{PageError, PageResult};
use crate::pages::layout::{HtmlPage, see_other_saying};
use crate::pages::new_password::{PasswordErrors, new_password};
use crate::pages::notice::Notice;

const TITLE: &str = "Set a password";

pub(super) async fn show(call: Call) -> PageResult {
    let link = find(&call).await?;
    Ok(form(&call, link.user(), PasswordErrors::default(), StatusCode::OK))
}

pub(super) async fn submit(call: Call) -> PageResult {
    let link = find(&call).await?;
    let fields = call.form().await?;
    let user = link.user();
    let password = match new_password(&call, &fields, user).await? {
        Ok(password) => password,
        Err(errors) => return Ok(form(&call, user, errors, StatusCode::BAD_REQUEST)),
    };
    call.note_user(user.id);
    call.auth().links.use_up(link, password, call.client_ip()).await?;
    Ok(see_other_saying(&call, "/login", Notice::PasswordSet))
}

async fn find(call: &Call) -> Result<GoodLink, LinkError> {
    call.auth().links.find(call.path("token")).await
}

/// The form goes back to where it stands: the link is nowhere in the page.
fn form(call: &Call, user: &User, errors: PasswordErrors, status: StatusCode) -> HttpResponse {
    let [mut password, confirmation] = errors.fields();
    password.focus |= errors == PasswordErrors::default();
    let main = html! {
        h1 { (TITLE) }
        p { "It ends every session of the account. Then sign in with it." }
        form method="post" {
            div.field {
                label for="username" { "User name" }
                input type="text" id="username" value=(user.username) autocomplete="username" readonly;
            }
            (password.shown())
            (confirmation.shown())
            button.wide { (TITLE) }
        }
    };
    HtmlPage::new(call, TITLE).status(status).show(&main)
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
