//! `/logout`: a button, and what it does.

use actix_web::HttpResponse;
use maud::html;
use thunderhead_domain::authorization::Principal;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::{HtmlPage, see_other_saying};
use crate::pages::notice::Notice;

pub(super) async fn show(principal: Principal, call: Call) -> PageResult {
    let main = html! {
        h1 { "Sign out" }
        p { "You are signed in as " b { (principal.user().username) } "." }
        form method="post" action="/logout" { button.wide { "Sign out" } }
        p.foot { a href="/account" { "Back to the account" } }
    };
    Ok(HtmlPage::new(&call, "Sign out").show(&main))
}

pub(super) async fn submit(principal: Principal, call: Call) -> PageResult {
    call.auth().sessions.own(&principal).end(principal.session().id).await?;
    Ok(signed_out(&call, Notice::SignedOut))
}

/// Leads to the sign-in page, which says what was done.
pub(super) fn signed_out(call: &Call, notice: Notice) -> HttpResponse {
    let mut response = see_other_saying(call, "/login", notice);
    call.clear_session(&mut response);
    response
}
