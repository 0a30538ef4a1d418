//! `GET /account`: whose account it is, what wants attention, and what happened.

mod events;

use maud::{Markup, html};
use thunderhead_auth::factors::manage::BackupCodesLeft;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::ports::PageStart;
use thunderhead_domain::session::Session;
use thunderhead_domain::time::Timestamp;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::{HtmlPage, Section};
use crate::pages::words::{counted, time};

/// Events that are shown.
const EVENTS: u32 = 20;
/// Tokens that are looked at: as many as most may have.
const TOKENS: u32 = 200;
/// Fewer backup codes than this are few.
const FEW_CODES: usize = 3;
/// How long before its end a token is about to expire, and after how long it is unused, in seconds.
const SOON: i64 = 7 * 86_400;
const LONG_AGO: i64 = 90 * 86_400;

pub(super) async fn show(principal: Principal, call: Call) -> PageResult {
    let now = call.auth().clock().now();
    let user = principal.user();
    let codes_left = if user.has_second_factor {
        Some(call.auth().factors.own(&principal).backup_codes_left().await?)
    } else {
        None
    };
    let tokens = call.auth().sessions.own(&principal).list_scoped(PageStart::Skip(0), TOKENS).await?;
    let events = call.auth().accounts.own_events(&principal, EVENTS).await?;
    let main = html! {
        h1 { "Your account" }
        (attention(codes_left.as_ref(), &tokens, now))
        dl.facts {
            dt { "User name" } dd { b { (user.username) } @if user.staff { " " span.tag { "staff" } } }
            dt { "E-mail address" }
            dd { (user.email.as_str()) @if user.verified_at.is_none() { " " span.tag { "not verified" } } }
            dt { "Second factor" }
            dd {
                @if user.has_second_factor { "on" }
                @else { "none – " a href="/account/security/totp" { "Add an authenticator app" } }
            }
            dt { "Tokens" }
            dd { @if tokens.is_empty() { "none" } @else { (tokens.len()) } " – " a href="/account/tokens/new" { "Make a token" } }
            dt { "Here since" } dd { (time(user.created_at, now)) }
            dt { "Signed in" }
            dd { (time(principal.session().created_at, now)) ", on " (principal.session().name.as_str()) }
        }
        (events::shown(&events, &principal, now))
    };
    Ok(HtmlPage::of(&call, &principal, Section::Account, "Account").show(&main))
}

fn attention(codes_left: Option<&BackupCodesLeft>, tokens: &[Session], now: Timestamp) -> Markup {
    let expiring = tokens.iter().filter(|token| token.expires_at < now.plus_seconds(SOON)).count();
    let unused = tokens.iter().filter(|token| is_unused(token, now)).count();
    let tokens = |count: usize| counted(i64::try_from(count).unwrap_or(i64::MAX), "token");
    html! {
        @match codes_left {
            None => {
                div.note.warn {
                    p { b { "This account has no second factor." } " Whoever learns the password gets in. " a href="/account/security" { "Add one" } "." }
                }
            }
            Some(left) => {
                @if left.imported > 0 {
                    div.note.warn { p { b { "Your backup codes were made before this account came here." } " " a href="/account/security" { "Make new ones" } ": they are harder to guess." } }
                } @else if left.count < FEW_CODES {
                    div.note.warn { p { b { (left.count) " of 10 backup codes are left." } " " a href="/account/security" { "Make new ones" } " before you need them." } }
                }
            }
        }
        @if expiring > 0 {
            div.note { p { a href="/account/tokens" { (tokens(expiring)) } " will expire within a week." } }
        }
        @if unused > 0 {
            div.note { p { a href="/account/tokens" { (tokens(unused)) } " had no use for 90 days. End what nobody needs." } }
        }
    }
}

fn is_unused(token: &Session, now: Timestamp) -> bool {
    token.used_at.unwrap_or(token.created_at) < now.plus_seconds(-LONG_AGO)
}
