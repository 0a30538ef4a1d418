//! `GET /account/tokens`.

use maud::{Markup, html};
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::session::{Grant, Session};
use thunderhead_domain::time::Timestamp;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::{HtmlPage, Section, button, table};
use crate::pages::paging::ListPage;
use crate::pages::tokens::LIST;
use crate::pages::tokens::scopes::listed;
use crate::pages::words::{time, time_or};

const COLUMNS: [&str; 5] = ["Token", "Made", "Last used", "Expires", ""];

pub(crate) async fn show(principal: Principal, call: Call) -> PageResult {
    let now = call.auth().clock().now();
    let page = ListPage::asked(&call);
    let mut tokens = call.auth().sessions.own(&principal).list_scoped(page.start(), ListPage::READ).await?;
    let pager = page.cut(&mut tokens, LIST);
    let rows: Vec<_> = tokens.iter().map(|token| row(token, now)).collect();
    let main = html! {
        h1 { "Tokens for programs" }
        p.soft { "A token lets a program do some things in your name, and no more, until it expires or you end it." }
        div.row { a.button href="/account/tokens/new" { "Make a token" } }
        @if rows.is_empty() {
            p.empty { "There is no token. One that you make stands here, with what it may do and when it was last used." }
        } @else {
            (table("Tokens", &COLUMNS, &rows))
        }
        (pager)
    };
    Ok(HtmlPage::of(&call, &principal, Section::Tokens, "Tokens").show(&main))
}

fn row(token: &Session, now: Timestamp) -> Vec<Markup> {
    let scopes = match token.grant {
        Grant::Scoped(scopes) => listed(scopes),
        Grant::Full => "everything".to_owned(),
    };
    let id = token.id.to_string();
    let words = html! { "End" span.sr { " " (token.name.as_str()) } };
    vec![
        html! { span.name { (token.name.as_str()) } small { (scopes) } },
        html! {
            (time(token.created_at, now))
            @if let Some(address) = token.origin.client_ip { small { "from " (address) } }
        },
        time_or(token.used_at, now, "not yet"),
        time(token.expires_at, now),
        button("/account/tokens/end", "plain small", &words, &[("id", &id)]),
    ]
}
