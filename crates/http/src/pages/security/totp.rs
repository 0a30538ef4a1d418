//! `/account/security/totp`: an authenticator app. Its secret is in the answer to the form, and nowhere else.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::html;
use thunderhead_auth::credentials::backup::BackupCode;
use thunderhead_auth::credentials::challenge::AnswerError;
use thunderhead_auth::factors::enrolment::{ConfirmError, Confirmation};
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::factor::FactorName;

use crate::access::call::Call;
use crate::pages::confirm::confirmed;
use crate::pages::error::{PageError, PageResult};
use crate::pages::factor::code_field;
use crate::pages::form::TextField;
use crate::pages::layout::{HtmlPage, Section};
use crate::pages::notice::Notice;
use crate::pages::security::codes;
use crate::pages::security::details::done;
use crate::pages::security::qr::picture;
use crate::pages::security::{OVERVIEW, end_others, others};
use crate::request::body::Fields;

const TITLE: &str = "Add an authenticator app";
const PAGE: &str = "/account/security/totp";

pub(crate) async fn show(principal: Principal, call: Call) -> PageResult {
    confirmed(&call, principal.clone())?;
    let main = html! {
        h1 { (TITLE) }
        p { "An app on your phone shows a new code every half a minute. You will scan a picture with it, and type a code." }
        form method="post" action=(PAGE) {
            div.row { button { "Show the picture" } a href=(OVERVIEW) { "Cancel" } }
        }
    };
    Ok(HtmlPage::of(&call, &principal, Section::Security, TITLE).show(&main))
}

/// The offer as it stands in the page, and comes back with an answer: it is shown to whoever sent that alone.
struct Offer {
    token: String,
    secret: String,
    uri: String,
    name: String,
}

impl Offer {
    fn again(fields: &Fields) -> Self {
        let text = |name| fields.text(name).unwrap_or_default().to_owned();
        // What is not of this form would be a link to somewhere else.
        let uri = Some(text("uri")).filter(|uri| uri.starts_with("otpauth://")).unwrap_or_default();
        Self { token: text("token"), secret: text("secret"), uri, name: text("name") }
    }

    fn show(
        &self,
        call: &Call,
        principal: &Principal,
        (name_error, code_error): (Option<&str>, Option<&str>),
        status: StatusCode,
    ) -> HttpResponse {
        let name = TextField {
            value: &self.name,
            error: name_error,
            focus: name_error.is_some(),
            ..TextField::new("name", "What you call it")
        };
        let main = html! {
            h1 { (TITLE) }
            h2 { "1. Scan this with the app" }
            @if let Some(picture) = picture(&self.uri, "The secret as a QR code") { (picture) }
            p { "Or " a href=(self.uri) { "open it in an app on this device" } ", or type the secret by hand:" }
            p.secret.mono #secret { (self.secret) }
            h2 { "2. Type the code that it shows" }
            form.narrow method="post" action=(PAGE) {
                input type="hidden" name="token" value=(self.token);
                input type="hidden" name="secret" value=(self.secret);
                input type="hidden" name="uri" value=(self.uri);
                (code_field("code", "Code", code_error, name_error.is_none()))
                (name.shown())
                (end_others())
                div.row { button { "Add it" } a href=(OVERVIEW) { "Cancel" } }
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
    let again = |name, code, status| Ok(offer.show(&call, &principal, (name, code), status));
    let Ok(name) = FactorName::try_from(offer.name.clone()) else {
        return again(Some("Give it a name, of printable characters."), None, StatusCode::BAD_REQUEST);
    };
    let code = fields.text("code").unwrap_or_default();
    let confirmation = Confirmation { token: offer.token.clone().into(), name, others: others(&fields) };
    match call.auth().enrolment.totp_confirm(&principal, confirmation, code).await {
        Ok(enrolled) => Ok(added(&call, &principal, enrolled.codes.as_deref())),
        Err(ConfirmError::Answer(AnswerError::Wrong)) => again(
            None,
            Some("The code is wrong. See whether the clock of your phone is right, and take the next one."),
            StatusCode::UNAUTHORIZED,
        ),
        Err(error) => refused(&call, error),
    }
}

async fn begin(principal: &Principal, call: &Call) -> PageResult {
    let offer = call.auth().enrolment.totp_begin(confirmed(call, principal.clone())?).await?;
    let offer = Offer {
        token: offer.token.expose().to_owned(),
        secret: offer.secret.base32(),
        uri: offer.uri.unwrap_or_default(),
        name: "Authenticator app".to_owned(),
    };
    Ok(offer.show(call, principal, (None, None), StatusCode::OK))
}

/// A factor that stands; with the first one come backup codes.
pub(super) fn added(call: &Call, principal: &Principal, new_codes: Option<&[BackupCode]>) -> HttpResponse {
    match new_codes {
        Some(new_codes) => codes::shown(call, principal, new_codes),
        None => done(call, Notice::FactorAdded),
    }
}

/// What keeps a new factor out, other than a wrong answer.
pub(super) fn refused(call: &Call, error: ConfirmError) -> PageResult {
    match error {
        ConfirmError::Answer(AnswerError::Throttled(millis)) => Err(PageError::Throttled(millis)),
        ConfirmError::Answer(AnswerError::Internal(error)) => Err(error.into()),
        ConfirmError::Answer(_) => Ok(done(call, Notice::EnrolmentOver)),
        ConfirmError::Change(error) => Err(error.into()),
    }
}
