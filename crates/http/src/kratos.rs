//! The Kratos dialect: `/auth` (`docs/API-KRATOS.md`). The published Ory Kratos clients speak it unchanged.

pub(crate) mod error;
pub(crate) mod schemas;
pub(crate) mod wire;

mod admin;
mod credential;
mod docs;
mod login;
mod logout;
mod own;
mod paging;
mod place;
mod query;

use actix_web::http::Method;
use thunderhead_domain::authorization::ScopeRule::{self, Any, Needs};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;

use crate::access::route::{Endpoint, login, login_begin, public, staff, user};
use crate::kratos::docs as about;

/// Where the dialect is mounted, whatever the base path of the current one is.
pub(crate) const PREFIX: &str = "/auth";

const ACCOUNT_LOGIN: &[KillSwitch] = &[KillSwitch::AccountLogin];
const ACCOUNT_MODIFY: &[KillSwitch] = &[KillSwitch::AccountModify];

/// Whether a path belongs to this dialect.
pub(crate) fn is_below(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Every endpoint with what it demands. `whoami` stands above `{id}`.
pub(crate) fn table() -> Vec<Endpoint> {
    let mut table = own_sessions();
    table.extend(self_service());
    table.extend(admin());
    table
}

fn own_sessions() -> Vec<Endpoint> {
    use Method as M;
    const READ: ScopeRule = Needs(Scope::SessionRead);
    const MODIFY: ScopeRule = Needs(Scope::SessionModify);
    vec![
        user(M::GET, "/sessions/whoami", Any, &[], own::whoami, about::whoami),
        user(M::GET, "/sessions", READ, &[], own::list, about::list),
        user(M::DELETE, "/sessions", MODIFY, ACCOUNT_MODIFY, own::end_others, about::end_others).revoking(),
        user(M::DELETE, "/sessions/{id}", MODIFY, ACCOUNT_MODIFY, own::end_one, about::end_one).revoking(),
    ]
}

/// Flows are begun under every switch: staff log in with them.
fn self_service() -> Vec<Endpoint> {
    use Method as M;
    const MODIFY: ScopeRule = Needs(Scope::SessionModify);
    vec![
        login_begin(M::GET, "/self-service/login/api", login::begin::native, about::login_native),
        login_begin(M::GET, "/self-service/login/browser", login::begin::browser, about::login_browser),
        login("/self-service/login", login::SUBMISSION, ACCOUNT_LOGIN, login::submit::submit, about::login_submit),
        public(M::DELETE, "/self-service/logout/api", ACCOUNT_MODIFY, logout::native, about::logout_native)
            .revoking_by(logout::TOKEN),
        user(M::GET, "/self-service/logout/browser", MODIFY, &[], logout::begin, about::logout_browser).revoking(),
        user(M::GET, "/self-service/logout", MODIFY, ACCOUNT_MODIFY, logout::finish, about::logout_finish).revoking(),
    ]
}

/// The credential of these is looked for in `Authorization` alone.
fn admin() -> Vec<Endpoint> {
    use Method as M;
    use admin::{disable, end, extend, list, show};
    const READ: ScopeRule = Needs(Scope::StaffReadSessions);
    const MODIFY: ScopeRule = Needs(Scope::StaffModifySessions);
    let rows = vec![
        staff(M::GET, "/admin/sessions", READ, list::all, about::admin_list),
        staff(M::POST, "/admin/sessions", MODIFY, disable::disable, about::admin_disable),
        staff(M::GET, "/admin/sessions/{id}", READ, show::show, about::admin_show),
        staff(M::DELETE, "/admin/sessions/{id}", MODIFY, end::one, about::admin_end),
        staff(M::PATCH, "/admin/sessions/{id}/extend", MODIFY, extend::extend, about::admin_extend),
        staff(M::GET, "/admin/identities/{id}/sessions", READ, list::of_identity, about::identity_list),
        staff(M::DELETE, "/admin/identities/{id}/sessions", MODIFY, end::of_identity, about::identity_end),
    ];
    rows.into_iter().map(|row| row.showing(credential::of_staff)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_at_the_prefix_or_below_it_is_of_this_dialect() {
        for path in ["/auth", "/auth/", "/auth/sessions"] {
            assert!(is_below(path), "{path}");
        }
        for path in ["", "/", "/api", "/authx", "/api/auth", "auth", "/Auth"] {
            assert!(!is_below(path), "{path}");
        }
    }
}
