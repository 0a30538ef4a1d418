//! The Kratos dialect: `/auth` (`docs/API-KRATOS.md`). The published Ory Kratos clients speak it unchanged.

mod admin;
pub(crate) mod docs;
mod documentation;
pub(crate) mod error;
mod login;
mod logout;
mod own;
mod paging;
mod place;
mod query;
mod wire;

use actix_web::body::BoxBody;
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, StatusCode};
use thunderhead_domain::authorization::ScopeRule::{self, Any, Needs};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::Dialect;
use thunderhead_domain::switch::KillSwitch;

use crate::access::call::SessionOrigin;
use crate::access::dialect::HttpDialect;
use crate::access::endpoint::Endpoint;
use crate::access::route::{login, login_begin, open, staff, user};
use crate::kratos::docs as about;
use crate::kratos::error::KratosError;
use crate::kratos::wire::JSON_UTF8;
use crate::request::credential::CredentialPlace;

const ACCOUNT_LOGIN: &[KillSwitch] = &[KillSwitch::AccountLogin];
const ACCOUNT_MODIFY: &[KillSwitch] = &[KillSwitch::AccountModify];

pub(crate) struct Kratos;

const PREFIX: &str = "/auth";
/// What the published clients send as their API key.
const STAFF_CREDENTIALS: &[CredentialPlace] = &[CredentialPlace::Authorization];

impl HttpDialect for Kratos {
    type Error = KratosError;

    const PREFIX: Option<&'static str> = Some(PREFIX);
    const CREDENTIALS: &'static [CredentialPlace] =
        &[CredentialPlace::Token, CredentialPlace::Cookie, CredentialPlace::Authorization];
    const ORIGIN: SessionOrigin = SessionOrigin { dialect: Dialect::Kratos, name_headers: &["x-session-name"] };

    /// `whoami` stands above `{id}`.
    fn table() -> Vec<Endpoint> {
        let mut table = own_sessions();
        table.extend(self_service());
        table.extend(admin());
        table
    }

    fn error_of_status(status: StatusCode, request_id: &str) -> (HeaderValue, BoxBody) {
        (HeaderValue::from_static(JSON_UTF8), BoxBody::new(error::of_status(status, request_id)))
    }
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

/// Flows are begun under every switch: staff log in with them. A token is given up under every switch, too.
fn self_service() -> Vec<Endpoint> {
    use Method as M;
    const MODIFY: ScopeRule = Needs(Scope::SessionModify);
    vec![
        login_begin(M::GET, "/self-service/login/api", login::begin::native, about::login_native),
        login_begin(M::GET, "/self-service/login/browser", login::begin::browser, about::login_browser),
        login("/self-service/login", login::SUBMISSION, ACCOUNT_LOGIN, login::submit::submit, about::login_submit),
        open(M::DELETE, "/self-service/logout/api", logout::native, about::logout_native).revoking_by(logout::TOKEN),
        user(M::GET, "/self-service/logout/browser", MODIFY, &[], logout::begin, about::logout_browser).revoking(),
        user(M::GET, "/self-service/logout", MODIFY, ACCOUNT_MODIFY, logout::finish, about::logout_finish).revoking(),
    ]
}

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
    rows.into_iter().map(|row| row.with_credentials_in(STAFF_CREDENTIALS)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::shown;

    const HEADER: (&str, &str) = ("x-session-token", "header");
    const COOKIE: (&str, &str) = ("cookie", "__Host-thunderhead_session=cookie");
    const AUTHORIZATION: (&str, &str) = ("authorization", "Bearer authorization");

    #[test]
    fn the_header_wins_over_the_cookie_and_the_cookie_over_authorization() {
        assert_eq!(shown(Kratos::CREDENTIALS, &[AUTHORIZATION, COOKIE, HEADER]), "header false");
        assert_eq!(shown(Kratos::CREDENTIALS, &[AUTHORIZATION, COOKIE]), "cookie true");
        assert_eq!(shown(Kratos::CREDENTIALS, &[AUTHORIZATION]), "authorization false");
        assert_eq!(shown(Kratos::CREDENTIALS, &[]), "Nothing");
        assert_eq!(shown(Kratos::CREDENTIALS, &[("x-session-token", "ory_st_x")]), "x false");
    }

    #[test]
    fn a_bad_credential_is_not_rescued_by_a_good_one() {
        for bad in ["", "a b"] {
            assert_eq!(
                shown(Kratos::CREDENTIALS, &[("x-session-token", bad), COOKIE, AUTHORIZATION]),
                "Unreadable { by_cookie: false }",
                "{bad:?}"
            );
        }
        assert_eq!(shown(Kratos::CREDENTIALS, &[HEADER, HEADER, COOKIE]), "Ambiguous");
        assert_eq!(
            shown(Kratos::CREDENTIALS, &[("cookie", "__Host-thunderhead_session="), AUTHORIZATION]),
            "Unreadable { by_cookie: true }"
        );
    }

    #[test]
    fn staff_show_theirs_in_authorization_alone() {
        assert_eq!(shown(STAFF_CREDENTIALS, &[HEADER, COOKIE, AUTHORIZATION]), "authorization false");
        assert_eq!(shown(STAFF_CREDENTIALS, &[("authorization", "bare")]), "bare false");
        assert_eq!(shown(STAFF_CREDENTIALS, &[HEADER, COOKIE]), "Nothing");
    }
}
