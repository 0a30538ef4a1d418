//! `/account/security/webauthn`: a security key, which wants a script.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::html;
use serde_json::Value;
use thunderhead_auth::credentials::challenge::AnswerError;
use thunderhead_auth::factors::enrolment::{ConfirmError, Confirmation};
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::factor::FactorName;

use crate::access::call::Call;
use crate::pages::confirm::confirmed;
use crate::pages::error::PageResult;
use crate::pages::form::TextField;
use crate::pages::layout::{HtmlPage, Section};
use crate::pages::security::totp::{added, refused};
use crate::pages::security::{OVERVIEW, end_others, others};
use crate::request::body::Fields;

const TITLE: &str = "Add a security key";
const PAGE: &str = "/account/security/webauthn";

pub(crate) async fn show(principal: Principal, call: Call) -> PageResult {
    confirmed(&call, principal.clone())?;
    let main = html! {
        h1 { (TITLE) }
        p { "A small device that you touch, or the lock of this one. Have it at hand." }
        noscript { div.note.warn { p { "Security keys need JavaScript, which is off in this browser." } } }
        form method="post" action=(PAGE) {
            div.row { button { "Begin" } a href=(OVERVIEW) { "Cancel" } }
        }
    };
    Ok(HtmlPage::of(&call, &principal, Section::Security, TITLE).show(&main))
}

/// The offer as it stands in the page, and comes back with an answer.
struct Offer {
    token: String,
    options: String,
    name: String,
}

impl Offer {
    fn again(fields: &Fields) -> Self {
        let text = |name| fields.text(name).unwrap_or_default().to_owned();
        Self { token: text("token"), options: text("options"), name: text("name") }
    }

    fn show(
        &self,
        call: &Call,
        principal: &Principal,
        (name_error, key_error): (Option<&str>, Option<&str>),
        status: StatusCode,
    ) -> HttpResponse {
        let name = TextField {
            value: &self.name,
            error: name_error,
            focus: true,
            ..TextField::new("name", "What you call it")
        };
        let main = html! {
            h1 { (TITLE) }
            form.narrow method="post" action=(PAGE) data-webauthn="create" data-options=(self.options) {
                input type="hidden" name="token" value=(self.token);
                input type="hidden" name="options" value=(self.options);
                input type="hidden" name="response" value="";
                @if let Some(error) = key_error { p.error role="alert" { (error) } }
                (name.shown())
                (end_others())
                noscript { p { "Security keys need JavaScript, which is off in this browser." } }
                p role="status" {}
                div.row { button.needs-script { "Touch the key" } a href=(OVERVIEW) { "Cancel" } }
            }
        };
        HtmlPage::of(call, principal, Section::Security, TITLE).status(status).show(&main)
    }
}

pub(crate) async fn submit(principal: Principal, call: Call) -> PageResult {
    let fields = call.form().await?;
    if !fields.has("token") {
        return begin(&principal, &call).await;
    }
    let offer = Offer::again(&fields);
    let again = |name, key, status| Ok(offer.show(&call, &principal, (name, key), status));
    let Ok(name) = FactorName::try_from(offer.name.clone()) else {
        return again(Some("Give it a name, of printable characters."), None, StatusCode::BAD_REQUEST);
    };
    let response: Option<Value> = fields.text("response").and_then(|response| serde_json::from_str(response).ok());
    let Some(response) = response else {
        return again(None, Some("The security key gave no answer."), StatusCode::BAD_REQUEST);
    };
    let confirmation = Confirmation { token: offer.token.clone().into(), name, others: others(&fields) };
    match call.auth().enrolment.webauthn_confirm(&principal, confirmation, &response).await {
        Ok(enrolled) => Ok(added(&call, &principal, enrolled.codes.as_deref())),
        Err(ConfirmError::Answer(AnswerError::Wrong)) => {
            again(None, Some("The security key was not accepted."), StatusCode::UNAUTHORIZED)
        }
        Err(error) => refused(&call, error),
    }
}

async fn begin(principal: &Principal, call: &Call) -> PageResult {
    let offer = call.auth().enrolment.webauthn_begin(confirmed(call, principal.clone())?).await?;
    let (token, options) = (offer.token.expose().to_owned(), offer.options.to_string());
    let offer = Offer { token, options, name: "Security key".to_owned() };
    Ok(offer.show(call, principal, (None, None), StatusCode::OK))
}
