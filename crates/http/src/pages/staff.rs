//! Pages for staff: they find whose something is, and stop it. What a page does that the API does, too, stands under
//! what that asks for; pages take full sessions alone, so no scope opens one.

mod act;
mod audit;
mod filters;
mod link;
mod overview;
mod places;
mod search;
mod services;
mod session_search;
mod sessions;
mod status;
mod switches;
mod user;
mod webhooks;
mod words;

use actix_web::http::Method;
use thunderhead_domain::authorization::ScopeRule::Never;

use crate::access::endpoint::Endpoint;
use crate::access::route::staff;
use crate::pages::docs;

/// The rows. What changes something is asked about on a page of its own first, which has the same path.
pub(super) fn table() -> Vec<Endpoint> {
    use Method as M;
    let mut table = vec![
        staff(M::GET, "/staff", Never, overview::show, docs::page),
        staff(M::GET, "/staff/search", Never, search::show, docs::page),
        staff(M::POST, "/staff/search", Never, search::submit, docs::page),
        staff(M::GET, "/staff/sessions", Never, session_search::show, docs::page),
        staff(M::GET, "/staff/audit", Never, audit::show, docs::page),
        staff(M::GET, "/staff/audit.csv", Never, audit::csv::download, docs::page),
        staff(M::GET, "/staff/services", Never, services::show, docs::page),
        staff(M::GET, "/staff/webhooks", Never, webhooks::show, docs::page),
        staff(M::GET, "/staff/status", Never, status::show, docs::page),
        staff(M::GET, "/staff/switches", Never, switches::show, docs::page),
        staff(M::GET, "/staff/users/{uid}", Never, user::show, docs::page),
        staff(M::GET, "/staff/sessions/{uuid}/end", Never, sessions::ask, docs::page),
        staff(M::POST, "/staff/sessions/{uuid}/end", Never, sessions::end, docs::form),
        staff(M::GET, "/staff/users/{uid}/end-sessions", Never, sessions::ask_all, docs::page),
        staff(M::POST, "/staff/users/{uid}/end-sessions", Never, sessions::end_all, docs::form),
    ];
    table.extend(act::table());
    table.extend(switches::table());
    table
}

/// The query of an address.
fn query_string(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
