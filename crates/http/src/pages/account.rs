//! `GET /account`: whose account it is, and what wants attention.

use maud::{Markup, html};
use thunderhead_domain::authorization::Principal;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::{HtmlPage, Section};
use crate::pages::words::time;

pub(super) async fn show(principal: Principal, call: Call) -> PageResult {
    let now = call.auth().clock().now();
    let user = principal.user();
    let main = html! {
        h1 { "Your account" }
        (attention(&principal))
        dl.facts {
            dt { "User name" } dd { b { (user.username) } @if user.staff { " " span.tag { "staff" } } }
            dt { "E-mail address" }
            dd { (user.email.as_str()) @if user.verified_at.is_none() { " " span.tag { "not verified" } } }
            dt { "Second factor" } dd { @if user.has_second_factor { "on" } @else { "none" } }
            dt { "Here since" } dd { (time(user.created_at, now)) }
            dt { "Signed in" }
            dd { (time(principal.session().created_at, now)) ", on " (principal.session().name.as_str()) }
        }
        p { a href="/account/sessions" { "Where am I signed in?" } }
    };
    Ok(HtmlPage::of(&call, &principal, Section::Account, "Account").show(&main))
}

fn attention(principal: &Principal) -> Markup {
    html! {
        @if !principal.user().has_second_factor {
            div.note.warn {
                p { b { "This account has no second factor." } " Whoever learns the password gets in." }
            }
        }
    }
}
