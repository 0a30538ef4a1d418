//! `GET /account/security`, and the same page with what is wrong with a form of it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{Markup, html};
use thunderhead_auth::factors::manage::BackupCodesLeft;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::factor::{Factor, FactorKind};
use thunderhead_domain::time::Timestamp;

use crate::access::call::Call;
use crate::pages::error::{CONFIRM, PageError, PageResult};
use crate::pages::form::TextField;
use crate::pages::layout::{HtmlPage, Section, button, table};
use crate::pages::new_password::PasswordErrors;
use crate::pages::redirect::leading_to;
use crate::pages::security::{END_OTHERS, OVERVIEW};
use crate::pages::words::{factor_kind, time, time_or};

/// What somebody typed that was no good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mistakes<'a> {
    pub(super) password: PasswordErrors,
    /// A user name, and what is wrong with it.
    pub(super) name: Option<(&'a str, &'static str)>,
    /// An address, and what is wrong with it.
    pub(super) email: Option<(&'a str, &'static str)>,
}

pub(crate) async fn show(principal: Principal, call: Call) -> PageResult {
    shown(&call, &principal, Mistakes::default(), StatusCode::OK).await
}

/// The page; what can be changed, it offers to who has confirmed the session.
pub(super) async fn shown(
    call: &Call,
    principal: &Principal,
    mistakes: Mistakes<'_>,
    status: StatusCode,
) -> Result<HttpResponse, PageError> {
    let now = call.auth().clock().now();
    let own = call.auth().factors.own(principal);
    let (factors, codes) = if principal.user().has_second_factor {
        (own.all().await?, Some(own.backup_codes_left().await?))
    } else {
        (Vec::new(), None)
    };
    let known_keys = call.auth().passkeys.known_keys(principal).await?;
    let passkeys = factors.iter().filter(|factor| factor.kind == FactorKind::Passkey).count();
    let suffices = passkeys > 1 || (passkeys == 1 && codes.as_ref().is_some_and(|codes| codes.count > 0));
    let may_change = call.auth().confirmations.reverified(principal.clone()).is_some();
    let main = html! {
        h1 { "Security" }
        @if !may_change {
            div.note { p { "To change any of this, confirm that it is you. It holds for a while." } }
            div.row { a.button href=(leading_to(CONFIRM, OVERVIEW)) { "Confirm it is you" } }
        }
        h2 { "Passkeys and second factors" }
        (factor_list(&factors, now, may_change))
        div hidden data-known-keys=(known_keys) {}
        @if let Some(codes) = codes { (backup_codes(&codes, may_change)) }
        @if may_change {
            h2 { "Password" }
            (password_form(principal, mistakes.password))
            @if principal.user().has_password && suffices { (without_password()) }
            h2 { "User name" }
            (name_form(principal, mistakes.name))
            h2 { "E-mail address" }
            (email_form(principal, mistakes.email))
        } @else {
            h2 { "Name and address" }
            dl.facts {
                dt { "User name" } dd { (principal.user().username) }
                dt { "E-mail address" } dd { (principal.user().email.as_str()) }
            }
        }
    };
    Ok(HtmlPage::of(call, principal, Section::Security, "Security").status(status).show(&main))
}

/// Where factors are removed.
const REMOVE: &str = "/account/security/factors/remove";

fn factor_list(factors: &[Factor], now: Timestamp, may_change: bool) -> Markup {
    let row = |factor: &Factor| {
        let id = factor.id.to_string();
        let words = html! { "Remove" span.sr { " " (factor.name.as_str()) } };
        let with_others = html! { (words) ", and end all other sessions" };
        vec![
            html! { span.name { (factor.name.as_str()) } small { (factor_kind(factor)) } },
            time(factor.created_at, now),
            time_or(factor.used_at, now, "not yet"),
            html! {
                @if may_change {
                    (button(REMOVE, "danger small", &words, &[("id", &id)]))
                    (button(REMOVE, "plain small", &with_others, &[("id", &id), (END_OTHERS, "on")]))
                }
            },
        ]
    };
    let rows: Vec<_> = factors.iter().map(row).collect();
    html! {
        @if rows.is_empty() {
            p.empty { "There is none. With one, a password that somebody has learnt opens nothing." }
        } @else {
            (table("Passkeys and second factors", &["Factor", "Added", "Last used", ""], &rows))
        }
        div.row {
            a.button.plain[!factors.is_empty()] href="/account/security/totp" { "Add an authenticator app" }
            a.button.plain href="/account/security/passkey" { "Add a passkey" }
            a.button.plain href="/account/security/webauthn" { "Add a security key" }
        }
    }
}

fn backup_codes(left: &BackupCodesLeft, may_change: bool) -> Markup {
    html! {
        h2 { "Backup codes" }
        @if left.imported > 0 {
            p { (left.count) " are left. Each gets you in once when you have lost the rest." }
            div.note.warn { p { b { "They were made before this account came here, and are easier to guess." } " Make new ones; these are void then." } }
        } @else {
            p { (left.count) " of 10 are left. Each gets you in once when you have lost the rest." }
        }
        @if may_change {
            (button("/account/security/codes", "plain", &html! { "Make new ones" }, &[("instead-of", &left.mark)]))
        }
    }
}

/// Offers who can do without a password to do so.
fn without_password() -> Markup {
    html! {
        p.hint { "Your passkeys are enough to sign in. Without a password, nobody can learn it." }
        (button("/account/security/password/remove", "plain", &html! { "Do without a password" }, &[]))
    }
}

fn password_form(principal: &Principal, errors: PasswordErrors) -> Markup {
    let has_one = principal.user().has_password;
    html! {
        @if !has_one { p { "You have none, and sign in by passkeys." } }
        form.narrow method="post" action="/account/security/password" {
            // So that password managers know whose it is.
            input.sr type="text" name="username" autocomplete="username" value=(principal.user().username) readonly
                tabindex="-1" aria-hidden="true";
            @for field in errors.fields() { (field.shown()) }
            p.hint { "It ends every other session, and every token." }
            button.plain { @if has_one { "Change the password" } @else { "Set a password" } }
        }
    }
}

fn name_form(principal: &Principal, mistake: Option<(&str, &'static str)>) -> Markup {
    let field = TextField {
        value: mistake.map_or(principal.user().username.as_str(), |(typed, _)| typed),
        hint: "Letters, digits, _, - and ., up to 64 of them.",
        error: mistake.map(|(_, error)| error),
        focus: mistake.is_some(),
        ..TextField::new("new-username", "New user name")
    };
    html! {
        form.narrow method="post" action="/account/security/name" {
            (field.shown())
            button.plain { "Change the name" }
        }
    }
}

fn email_form(principal: &Principal, mistake: Option<(&str, &'static str)>) -> Markup {
    let field = TextField {
        kind: "email",
        autocomplete: "email",
        value: mistake.map_or(principal.user().email.as_str(), |(typed, _)| typed),
        error: mistake.map(|(_, error)| error),
        focus: mistake.is_some(),
        ..TextField::new("new-email", "New e-mail address")
    };
    html! {
        form.narrow method="post" action="/account/security/email" {
            (field.shown())
            button.plain { "Change the address" }
        }
    }
}
