//! `POST /account/security/codes`: new backup codes; and how any are shown, this once.

use actix_web::HttpResponse;
use maud::{Markup, html};
use thunderhead_auth::credentials::backup::BackupCode;
use thunderhead_domain::authorization::Principal;

use crate::access::call::Call;
use crate::pages::confirm::confirmed;
use crate::pages::error::PageResult;
use crate::pages::layout::{HtmlPage, Section};
use crate::pages::notice::Notice;
use crate::pages::security::OVERVIEW;
use crate::pages::security::details::done;

const TITLE: &str = "Your backup codes";

pub(crate) async fn renew(principal: Principal, call: Call) -> PageResult {
    let reverified = confirmed(&call, principal.clone())?;
    let fields = call.form().await?;
    // A page that is loaded again asks for what was there before it was made.
    let left = call.auth().factors.own(&principal).backup_codes_left().await?;
    if fields.text("instead-of") != Some(left.mark.as_str()) {
        return Ok(done(&call, Notice::CodesChanged));
    }
    let codes = call.auth().factors.renew_backup_codes(reverified.own()).await?;
    Ok(shown(&call, &principal, &codes))
}

/// The answer to the form itself: nowhere else are they shown.
pub(super) fn shown(call: &Call, principal: &Principal, codes: &[BackupCode]) -> HttpResponse {
    HtmlPage::of(call, principal, Section::Security, TITLE).show(&once(codes, OVERVIEW))
}

/// The same to somebody who signs in next.
pub(in crate::pages) fn shown_to_visitor(call: &Call, codes: &[BackupCode]) -> HttpResponse {
    HtmlPage::new(call, TITLE).show(&once(codes, "/login"))
}

/// The codes, and where it goes on.
fn once(codes: &[BackupCode], next: &str) -> Markup {
    let codes: Vec<_> = codes.iter().map(BackupCode::expose).collect();
    let text = codes.join("\n");
    let file: String =
        text.bytes().map(|byte| if byte == b'\n' { "%0A".to_owned() } else { char::from(byte).to_string() }).collect();
    html! {
        h1 { (TITLE) }
        div.note.warn { p { b { "Keep them where you find them without this device." } " They are shown this once; each gets you in once." } }
        ol.codes.mono #codes { @for code in &codes { li { (code) } } }
        div.row.no-print {
            button.plain.needs-script type="button" data-copy="codes" { "Copy" }
            button.plain.needs-script type="button" data-print="" { "Print" }
            a.button.plain download="backup-codes.txt" href={ "data:text/plain;charset=utf-8," (file) } { "Download as text" }
            a href=(next) { "I have kept them" }
        }
    }
}
