//! `/account/security/webauthn` and `/account/security/passkey`: a security key, and a passkey. Both want a script.

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

/// What is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    SecurityKey,
    Passkey,
}

impl KeyKind {
    const fn page(self) -> &'static str {
        match self {
            Self::SecurityKey => "/account/security/webauthn",
            Self::Passkey => "/account/security/passkey",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::SecurityKey => "Add a security key",
            Self::Passkey => "Add a passkey",
        }
    }

    const fn introduction(self) -> &'static str {
        match self {
            Self::SecurityKey => "A small device that you touch, or the lock of this one. Have it at hand.",
            Self::Passkey => {
                "It signs you in without a password: by the lock of this device, of your phone, or of a security key with \
                 a PIN. It also counts as a second factor."
            }
        }
    }

    const fn needs_script(self) -> &'static str {
        match self {
            Self::SecurityKey => "Security keys need JavaScript, which is off in this browser.",
            Self::Passkey => "Passkeys need JavaScript, which is off in this browser.",
        }
    }

    const fn button(self) -> &'static str {
        match self {
            Self::SecurityKey => "Touch the key",
            Self::Passkey => "Make the passkey",
        }
    }

    const fn asks(self) -> &'static str {
        match self {
            Self::SecurityKey => "Touch your security key.",
            Self::Passkey => "Your browser asks where to keep it.",
        }
    }

    const fn usual_name(self) -> &'static str {
        match self {
            Self::SecurityKey => "Security key",
            Self::Passkey => "Passkey",
        }
    }

    const fn no_answer(self) -> &'static str {
        match self {
            Self::SecurityKey => "The security key gave no answer.",
            Self::Passkey => "No passkey was made.",
        }
    }

    const fn refused(self) -> &'static str {
        match self {
            Self::SecurityKey => "The security key was not accepted.",
            Self::Passkey => {
                "The passkey was not accepted. It must be kept by its device, and know you by a lock or a PIN."
            }
        }
    }
}

pub(crate) async fn show(principal: Principal, call: Call) -> PageResult {
    introduce(&principal, &call, KeyKind::SecurityKey)
}

pub(crate) async fn show_passkey(principal: Principal, call: Call) -> PageResult {
    introduce(&principal, &call, KeyKind::Passkey)
}

pub(crate) async fn submit(principal: Principal, call: Call) -> PageResult {
    add(&principal, &call, KeyKind::SecurityKey).await
}

pub(crate) async fn submit_passkey(principal: Principal, call: Call) -> PageResult {
    add(&principal, &call, KeyKind::Passkey).await
}

fn introduce(principal: &Principal, call: &Call, kind: KeyKind) -> PageResult {
    confirmed(call, principal.clone())?;
    let main = html! {
        h1 { (kind.title()) }
        p { (kind.introduction()) }
        noscript { div.note.warn { p { (kind.needs_script()) } } }
        form method="post" action=(kind.page()) {
            div.row { button { "Begin" } a href=(OVERVIEW) { "Cancel" } }
        }
    };
    Ok(HtmlPage::of(call, principal, Section::Security, kind.title()).show(&main))
}

/// The offer as it stands in the page, and comes back with an answer.
struct Offer {
    kind: KeyKind,
    token: String,
    options: String,
    name: String,
}

impl Offer {
    fn again(kind: KeyKind, fields: &Fields) -> Self {
        let text = |name| fields.text(name).unwrap_or_default().to_owned();
        Self { kind, token: text("token"), options: text("options"), name: text("name") }
    }

    fn show(
        &self,
        call: &Call,
        principal: &Principal,
        (name_error, key_error): (Option<&str>, Option<&str>),
        status: StatusCode,
    ) -> HttpResponse {
        let kind = self.kind;
        let name = TextField {
            value: &self.name,
            error: name_error,
            focus: true,
            ..TextField::new("name", "What you call it")
        };
        let main = html! {
            h1 { (kind.title()) }
            form.narrow method="post" action=(kind.page()) data-webauthn="create" data-options=(self.options)
                data-asks=(kind.asks()) {
                input type="hidden" name="token" value=(self.token);
                input type="hidden" name="options" value=(self.options);
                input type="hidden" name="response" value="";
                @if let Some(error) = key_error { p.error role="alert" { (error) } }
                (name.shown())
                (end_others())
                noscript { p { (kind.needs_script()) } }
                p role="status" {}
                div.row { button.needs-script { (kind.button()) } a href=(OVERVIEW) { "Cancel" } }
            }
        };
        HtmlPage::of(call, principal, Section::Security, kind.title()).status(status).show(&main)
    }
}

async fn add(principal: &Principal, call: &Call, kind: KeyKind) -> PageResult {
    let fields = call.form().await?;
    if !fields.has("token") {
        return begin(principal, call, kind).await;
    }
    let offer = Offer::again(kind, &fields);
    let again = |name, key, status| Ok(offer.show(call, principal, (name, key), status));
    let Ok(name) = FactorName::try_from(offer.name.clone()) else {
        return again(Some("Give it a name, of printable characters."), None, StatusCode::BAD_REQUEST);
    };
    let response: Option<Value> = fields.text("response").and_then(|response| serde_json::from_str(response).ok());
    let Some(response) = response else {
        return again(None, Some(kind.no_answer()), StatusCode::BAD_REQUEST);
    };
    let confirmation = Confirmation { token: offer.token.clone().into(), name, others: others(&fields) };
    let enrolment = &call.auth().enrolment;
    let enrolled = match kind {
        KeyKind::SecurityKey => enrolment.webauthn_confirm(principal, confirmation, &response).await,
        KeyKind::Passkey => enrolment.passkey_confirm(principal, confirmation, &response).await,
    };
    match enrolled {
        Ok(enrolled) => Ok(added(call, principal, enrolled.codes.as_deref())),
        Err(ConfirmError::Answer(AnswerError::Wrong)) => again(None, Some(kind.refused()), StatusCode::UNAUTHORIZED),
        Err(error) => refused(call, error),
    }
}

async fn begin(principal: &Principal, call: &Call, kind: KeyKind) -> PageResult {
    let (enrolment, reverified) = (&call.auth().enrolment, confirmed(call, principal.clone())?);
    let offer = match kind {
        KeyKind::SecurityKey => enrolment.webauthn_begin(reverified).await?,
        KeyKind::Passkey => enrolment.passkey_begin(reverified).await?,
    };
    let (token, options) = (offer.token.expose().to_owned(), offer.options.to_string());
    let offer = Offer { kind, token, options, name: kind.usual_name().to_owned() };
    Ok(offer.show(call, principal, (None, None), StatusCode::OK))
}
