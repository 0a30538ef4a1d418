//! The legacy dialect: `/api/user…`, and the same without `/user` (`docs/API-LEGACY.md`). It exists so that programs
//! written years ago keep working: the same users and sessions in other words.

pub(crate) mod error;
pub(crate) mod wire;

mod deprecation;
mod docs;
mod documentation;
pub(crate) mod form;
mod login;
mod paths;
mod sessions;

use actix_web::body::BoxBody;
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, StatusCode};
use thunderhead_domain::authorization::ScopeRule::{self, Needs};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::Dialect;
use thunderhead_domain::switch::KillSwitch;

use crate::access::call::SessionOrigin;
use crate::access::dialect::HttpDialect;
use crate::access::endpoint::Endpoint;
use crate::access::route::{login, staff, user};
use crate::api::Api;
use crate::legacy::docs as about;
use crate::legacy::error::LegacyError;
use crate::middleware::decoration::Decoration;
use crate::request::credential::CredentialPlace;

const ACCOUNT_LOGIN: &[KillSwitch] = &[KillSwitch::AccountLogin];
const ACCOUNT_MODIFY: &[KillSwitch] = &[KillSwitch::AccountModify];

pub(crate) struct Legacy;

impl HttpDialect for Legacy {
    type Error = LegacyError;

    const CREDENTIALS: &'static [CredentialPlace] = Api::CREDENTIALS;
    /// Old programs name sessions by the header that this dialect first had for it.
    const ORIGIN: SessionOrigin =
        SessionOrigin { dialect: Dialect::Legacy, name_headers: &["x-token-name", "x-session-name"] };
    const FIRST_SEGMENTS: &'static [&'static str] = &paths::FIRST_SEGMENTS;

    fn table() -> Vec<Endpoint> {
        let mut table = own_sessions(|path| path);
        table.extend(staff_sessions());
        table.extend(own_sessions(paths::short));
        table
    }

    fn error_of_status(status: StatusCode, request_id: &str) -> (HeaderValue, BoxBody) {
        Api::error_of_status(status, request_id)
    }

    fn decoration(method: &Method, path: &str, base_path: &str) -> Option<Decoration> {
        deprecation::of(method, path, base_path)
    }
}

/// Rows at paths as they are spelt, or without `/user`.
fn own_sessions(spelt: fn(&'static str) -> &'static str) -> Vec<Endpoint> {
    use Method as M;
    const READ: ScopeRule = Needs(Scope::SessionRead);
    const MODIFY: ScopeRule = Needs(Scope::SessionModify);
    const SHUT: &[KillSwitch] = ACCOUNT_MODIFY;
    let [current, one] = [spelt(paths::SESSION), spelt(paths::ONE_SESSION)];
    let [several, all] = [spelt(paths::SESSIONS), spelt(paths::ALL_SESSIONS)];
    vec![
        user(M::GET, current, READ, &[], sessions::current, about::current),
        login(current, login::SUBMISSION, ACCOUNT_LOGIN, login::log_in, about::log_in),
        user(M::GET, one, READ, &[], sessions::show, about::own_show),
        user(M::DELETE, one, MODIFY, SHUT, sessions::end_one, about::own_end_one).revoking(),
        user(M::DELETE, all, MODIFY, SHUT, sessions::end_all, about::own_end_all).revoking(),
        user(M::GET, several, READ, &[], sessions::list, about::own_list),
        user(M::DELETE, several, MODIFY, SHUT, sessions::end_some, about::own_end_some).revoking(),
    ]
}

fn staff_sessions() -> Vec<Endpoint> {
    use Method as M;
    use sessions::of_user;
    const READ: ScopeRule = Needs(Scope::StaffReadSessions);
    const MODIFY: ScopeRule = Needs(Scope::StaffModifySessions);
    vec![
        staff(M::DELETE, paths::ALL_SESSIONS_OF_USER, MODIFY, of_user::end_all, about::staff_end_all),
        staff(M::GET, paths::SESSIONS_OF_USER, READ, of_user::list, about::staff_list),
        staff(M::DELETE, paths::SESSIONS_OF_USER, MODIFY, of_user::end_some, about::staff_end_some),
        staff(M::GET, paths::SESSION_OF_USER, READ, of_user::show, about::staff_show),
        staff(M::DELETE, paths::SESSION_OF_USER, MODIFY, of_user::end_one, about::staff_end_one),
    ]
}
