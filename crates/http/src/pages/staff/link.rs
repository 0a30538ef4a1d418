//! The one-time link that staff make for a user: it is shown this once, as the answer to the form.

use actix_web::HttpResponse;
use maud::{Markup, html};
use thunderhead_auth::changes::target::{Account as _, OtherUser};
use thunderhead_auth::changes::{ChangeError, Reverified};
use thunderhead_auth::credentials::link::OneTimeLink;
use thunderhead_auth::tokens::form::OneTimeForm;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::user::User;

use crate::access::call::Call;
use crate::pages::Kit;
use crate::pages::error::PageError;
use crate::pages::layout::alert;
use crate::pages::once;
use crate::pages::staff::places::{StaffPlace, show, user_path};
use crate::pages::words::time;

const TITLE: &str = "One-time link";

/// What stands in the form, with what was wrong with the one before.
pub(super) fn field(call: &Call, wrong: Option<&'static str>) -> Markup {
    html! {
        @if let Some(wrong) = wrong { (alert(wrong)) }
        (once::field(call))
    }
}

/// Makes the link and shows it; `None` where the form has made it already.
pub(super) async fn make(
    call: &Call,
    reverified: Reverified<StaffPrincipal>,
    other: OtherUser,
    form: &OneTimeForm,
) -> Result<Option<HttpResponse>, PageError> {
    let auth = call.auth();
    let staff = reverified.caller().clone();
    let user = auth.accounts.show(&staff, other.user()).await?;
    match auth.links.make(reverified, other, form).await {
        Ok(link) => Ok(Some(show(call, &staff, StaffPlace::Search, TITLE, &made(call, &user, &link)?))),
        Err(ChangeError::Refused(Refusal::Taken)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn made(call: &Call, user: &User, link: &OneTimeLink) -> Result<Markup, PageError> {
    let address = Kit::of(call)?.site().public_url.at(&link.path());
    Ok(html! {
        h1 { (TITLE) ": " (user.username) }
        (once::warning())
        (once::secret("link", &address, "Copy the link"))
        p {
            "It is good once, and expires " (time(link.expires_at, call.auth().clock().now()))
            ". Who opens it sets a password, which ends every session of " b { (user.username) } "."
        }
        div.row { a href=(user_path(user.id)) { "Back to " (user.username) } }
    })
}
