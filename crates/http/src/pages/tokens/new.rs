//! `/account/tokens/new`: a token is made, and shown this once.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::html;
use thunderhead_auth::changes::ChangeError;
use thunderhead_auth::sessions::opening::Issued;
use thunderhead_auth::sessions::scoped::{AllowedScopes, ScopedSession};
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::session::SessionName;

use crate::access::call::Call;
use crate::pages::Kit;
use crate::pages::confirm::confirmed;
use crate::pages::error::PageResult;
use crate::pages::layout::{HtmlPage, Section, see_other_saying};
use crate::pages::notice::Notice;
use crate::pages::once;
use crate::pages::tokens::LIST;
use crate::pages::tokens::form::{NewTokenForm, TokenErrors};
use crate::pages::words::time;

const TITLE: &str = "Your new token";

pub(crate) async fn show(principal: Principal, call: Call) -> PageResult {
    // Asked before the form is filled in, not after.
    confirmed(&call, principal.clone())?;
    Ok(NewTokenForm::empty().show(&call, &principal, TokenErrors::default(), StatusCode::OK))
}

pub(crate) async fn submit(principal: Principal, call: Call) -> PageResult {
    let reverified = confirmed(&call, principal.clone())?;
    let fields = call.form().await?;
    let form = NewTokenForm::of(&fields);
    let again = |errors, status| Ok(form.show(&call, &principal, errors, status));
    let name = SessionName::try_from(form.name.clone());
    let scopes = form.scope_set();
    let now = call.auth().clock().now();
    let lifetime = form.lifetime(&call.auth().policy().scoped_lifetimes(principal.user()), now);
    let (Ok(name), Some(scopes), Some(lifetime)) = (&name, scopes, lifetime) else {
        let errors = TokenErrors {
            problem: None,
            name: name.err().map(|_| "Give it a name, of at most 128 printable characters."),
            scopes: scopes.is_none().then_some("Choose at least one thing that it may do."),
            expiry: lifetime.is_none().then_some("Choose a time that is to come, and not too far away."),
        };
        return again(errors, StatusCode::BAD_REQUEST);
    };
    let Ok(scopes) = AllowedScopes::of(&principal, scopes) else {
        let scopes = Some("Some of this is for staff alone.");
        return again(TokenErrors { scopes, ..TokenErrors::default() }, StatusCode::FORBIDDEN);
    };
    let Some(sent) = once::sent(&call, &fields) else {
        let problem = Some(once::LAY_OPEN);
        return again(TokenErrors { problem, ..TokenErrors::default() }, StatusCode::CONFLICT);
    };
    let asked = ScopedSession { name: name.clone(), lifetime, device: call.device(), form: Some(sent) };
    match call.auth().scoped_sessions.issue(reverified, scopes, asked).await {
        Ok(issued) => Ok(made(&call, &principal, &issued)),
        Err(ChangeError::Refused(Refusal::Taken)) => Ok(see_other_saying(&call, LIST, Notice::TokenMade)),
        Err(ChangeError::Refused(Refusal::TooManySessions)) => {
            let problem = Some("You have as many tokens as one may have. End one that you do not need.");
            again(TokenErrors { problem, ..TokenErrors::default() }, StatusCode::CONFLICT)
        }
        Err(error) => Err(error.into()),
    }
}

/// The answer to the form itself: nowhere else is the token shown.
fn made(call: &Call, principal: &Principal, issued: &Issued) -> HttpResponse {
    let token = issued.token.expose();
    let place =
        Kit::find(call.request()).map_or_else(String::new, |kit| kit.site().public_url.at("/auth/sessions/whoami"));
    let main = html! {
        h1 { (TITLE) }
        (once::warning())
        h2 { (issued.session.name.as_str()) }
        (once::secret("token", token, "Copy the token"))
        p { "It expires " (time(issued.session.expires_at, call.auth().clock().now())) ". To try it:" }
        pre #curl { "curl -H 'Authorization: Bearer " (token) "' " (place) }
        div.row {
            button.plain.small.needs-script type="button" data-copy="curl" { "Copy the command" }
            a href=(LIST) { "To the tokens" }
        }
    };
    HtmlPage::of(call, principal, Section::Tokens, TITLE).show(&main)
}
