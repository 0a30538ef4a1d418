//! The current dialect: `/api` (`docs/API.md`, `docs/MODEL.md`).

pub(crate) mod documentation;
pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod factors;
pub(crate) mod fields;
pub(crate) mod ids;
pub(crate) mod path;
pub(crate) mod tags;
pub(crate) mod webauthn_json;
pub(crate) mod wire;

mod accounts;
pub(crate) mod identity;
mod password;
mod sessions;
mod switches;

use actix_web::body::BoxBody;
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, StatusCode};
use thunderhead_domain::authorization::ScopeRule::{self, Needs, Never};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::Dialect;
use thunderhead_domain::switch::KillSwitch;

use crate::access::call::SessionOrigin;
use crate::access::dialect::HttpDialect;
use crate::access::endpoint::Endpoint;
use crate::access::route::{any_method, guest, guest_login, login_begin, staff, user};
use crate::api::error::ApiError;
use crate::request::credential::CredentialPlace;

const ACCOUNT_CREATE: &[KillSwitch] = &[KillSwitch::AccountCreate];
const ACCOUNT_DELETE: &[KillSwitch] = &[KillSwitch::AccountDelete];
const ACCOUNT_LOGIN: &[KillSwitch] = &[KillSwitch::AccountLogin];
const ACCOUNT_MODIFY: &[KillSwitch] = &[KillSwitch::AccountModify];
const MODIFY_AND_LOGIN: &[KillSwitch] = &[KillSwitch::AccountModify, KillSwitch::AccountLogin];

pub(crate) struct Api;

impl HttpDialect for Api {
    type Error = ApiError;

    const CREDENTIALS: &'static [CredentialPlace] = &[CredentialPlace::Authorization, CredentialPlace::Cookie];
    const ORIGIN: SessionOrigin = SessionOrigin { dialect: Dialect::Current, name_headers: &["x-session-name"] };
    /// Left out by decision (`docs/MODEL.md`): they would look like users of these names.
    const LEFT_OUT: &'static [&'static str] = &["/users/verify", "/users/me/verify"];

    const ASKED_MOST: &'static [&'static str] = &["/users/me"];

    fn table() -> Vec<Endpoint> {
        table()
    }

    fn error_of_status(status: StatusCode, _request_id: &str) -> (HeaderValue, BoxBody) {
        let body = ApiError::of_status(status).to_json().to_string();
        (HeaderValue::from_static("application/json"), BoxBody::new(body))
    }
}

/// `all` stands above `{sid}`, and `me` above `{uid}`.
fn table() -> Vec<Endpoint> {
    use entry::{docs as about, hello, login, passkey, register};
    let mut table = vec![
        any_method("", hello::hello, about::hello),
        guest_login("/login", login::SUBMISSION, ACCOUNT_LOGIN, login::log_in, about::log_in),
        login_begin(Method::POST, "/login/passkey", passkey::ask, about::ask_for_passkey).under(ACCOUNT_LOGIN),
        guest(Method::POST, "/register", ACCOUNT_CREATE, register::register, about::register),
    ];
    table.extend(own_accounts());
    table.extend(own_factors());
    table.extend(own_sessions());
    table.extend(staff_sessions());
    table.extend(staff_factors());
    table.extend(staff_accounts());
    table.extend(kill_switches());
    table
}

fn own_accounts() -> Vec<Endpoint> {
    use Method as M;
    use accounts::docs as about;
    use accounts::{delete, email, password, show, username};
    const READ: ScopeRule = Needs(Scope::AccountRead);
    const MODIFY: ScopeRule = Needs(Scope::AccountModify);
    vec![
        user(M::GET, "/users/me", READ, &[], show::own, about::show),
        user(M::DELETE, "/users/me", Never, ACCOUNT_DELETE, delete::own, about::delete).reverified(),
        user(M::PUT, "/users/me/username", MODIFY, ACCOUNT_MODIFY, username::own, about::username).reverified(),
        user(M::PUT, "/users/me/email", Never, ACCOUNT_MODIFY, email::own, about::email).reverified(),
        user(M::PUT, "/users/me/password", Never, ACCOUNT_MODIFY, password::own, about::password).reverified(),
        user(M::DELETE, "/users/me/password", Never, ACCOUNT_MODIFY, password::remove, about::remove_password)
            .reverified(),
    ]
}

fn own_factors() -> Vec<Endpoint> {
    use Method as M;
    use factors::docs as about;
    use factors::{backup, list, passkey, remove, show, totp, webauthn};
    const READ: ScopeRule = Needs(Scope::SecondFactorRead);
    const SHUT: &[KillSwitch] = ACCOUNT_MODIFY;
    vec![
        user(M::POST, "/users/me/2fa/totp", Never, SHUT, totp::begin, about::totp_begin).reverified(),
        user(M::POST, "/users/me/2fa/totp/confirm", Never, SHUT, totp::confirm, about::totp_confirm),
        user(M::POST, "/users/me/2fa/webauthn", Never, SHUT, webauthn::begin, about::webauthn_begin).reverified(),
        user(M::POST, "/users/me/2fa/webauthn/confirm", Never, SHUT, webauthn::confirm, about::webauthn_confirm),
        user(M::POST, "/users/me/2fa/passkey", Never, SHUT, passkey::begin, about::passkey_begin).reverified(),
        user(M::POST, "/users/me/2fa/passkey/confirm", Never, SHUT, passkey::confirm, about::passkey_confirm),
        user(M::POST, "/users/me/2fa/backup", Never, SHUT, backup::renew, about::backup).reverified(),
        user(M::DELETE, "/users/me/2fa/all", Never, SHUT, remove::own_all, about::own_remove_all).reverified(),
        user(M::GET, "/users/me/2fa/{fid}", READ, &[], show::own, about::own_show),
        user(M::DELETE, "/users/me/2fa/{fid}", Never, SHUT, remove::own_one, about::own_remove).reverified(),
        user(M::GET, "/users/me/2fa", READ, &[], list::own, about::own_list),
        user(M::DELETE, "/users/me/2fa", Never, SHUT, remove::own_some, about::own_remove_some).reverified(),
    ]
}

fn own_sessions() -> Vec<Endpoint> {
    use Method as M;
    use sessions::docs as about;
    use sessions::{end_all, end_one, end_some, issue, list, show};
    const READ: ScopeRule = Needs(Scope::SessionRead);
    const MODIFY: ScopeRule = Needs(Scope::SessionModify);
    vec![
        user(M::DELETE, "/users/me/sessions/all", MODIFY, ACCOUNT_MODIFY, end_all::own, about::own_end_all).revoking(),
        user(M::GET, "/users/me/sessions/{sid}", READ, &[], show::own, about::own_show),
        user(M::DELETE, "/users/me/sessions/{sid}", MODIFY, ACCOUNT_MODIFY, end_one::own, about::own_end_one)
            .revoking(),
        user(M::GET, "/users/me/sessions", READ, &[], list::own, about::own_list),
        user(M::DELETE, "/users/me/sessions", MODIFY, ACCOUNT_MODIFY, end_some::own, about::own_end_some).revoking(),
        user(M::POST, "/users/me/sessions", Never, MODIFY_AND_LOGIN, issue::issue, about::issue).reverified(),
    ]
}

fn staff_sessions() -> Vec<Endpoint> {
    use Method as M;
    use sessions::docs as about;
    use sessions::{end_all, end_one, end_some, list, search, show};
    const READ: ScopeRule = Needs(Scope::StaffReadSessions);
    const MODIFY: ScopeRule = Needs(Scope::StaffModifySessions);
    vec![
        staff(M::GET, "/staff/sessions", READ, search::search, about::staff_search),
        staff(M::DELETE, "/users/{uid}/sessions/all", MODIFY, end_all::of_user, about::staff_end_all),
        staff(M::GET, "/users/{uid}/sessions/{sid}", READ, show::of_user, about::staff_show),
        staff(M::DELETE, "/users/{uid}/sessions/{sid}", MODIFY, end_one::of_user, about::staff_end_one),
        staff(M::GET, "/users/{uid}/sessions", READ, list::of_user, about::staff_list),
        staff(M::DELETE, "/users/{uid}/sessions", MODIFY, end_some::of_user, about::staff_end_some),
    ]
}

fn staff_factors() -> Vec<Endpoint> {
    use Method as M;
    use factors::docs as about;
    use factors::{list, remove, show};
    const READ: ScopeRule = Needs(Scope::StaffReadSecondFactors);
    const MODIFY: ScopeRule = Needs(Scope::StaffModifySecondFactors);
    let change = |endpoint: Endpoint| endpoint.under(ACCOUNT_MODIFY).reverified();
    vec![
        change(staff(M::DELETE, "/users/{uid}/2fa/all", MODIFY, remove::all_of_user, about::staff_remove_all)),
        staff(M::GET, "/users/{uid}/2fa/{fid}", READ, show::of_user, about::staff_show),
        change(staff(M::DELETE, "/users/{uid}/2fa/{fid}", MODIFY, remove::one_of_user, about::staff_remove)),
        staff(M::GET, "/users/{uid}/2fa", READ, list::of_user, about::staff_list),
        change(staff(M::DELETE, "/users/{uid}/2fa", MODIFY, remove::some_of_user, about::staff_remove_some)),
    ]
}

fn staff_accounts() -> Vec<Endpoint> {
    use Method as M;
    use accounts::staff_docs as about;
    use accounts::{ban, delete, email, list, password, show, staff as rank, username, verify};
    const READ: ScopeRule = Needs(Scope::StaffReadAccounts);
    const MODIFY: ScopeRule = Needs(Scope::StaffModifyAccounts);
    vec![
        staff(M::GET, "/users", READ, list::list, about::list),
        staff(M::DELETE, "/users", MODIFY, delete::some, about::delete_some).reverified(),
        staff(M::GET, "/users/{uid}", READ, show::of_user, about::show),
        staff(M::DELETE, "/users/{uid}", MODIFY, delete::of_user, about::delete).reverified(),
        staff(M::PUT, "/users/{uid}/ban", MODIFY, ban::put, about::ban).reverified(),
        staff(M::DELETE, "/users/{uid}/ban", MODIFY, ban::lift, about::unban).reverified(),
        staff(M::PUT, "/users/{uid}/verify", MODIFY, verify::put, about::verify).reverified(),
        staff(M::DELETE, "/users/{uid}/verify", MODIFY, verify::lift, about::unverify).reverified(),
        staff(M::PUT, "/users/{uid}/username", MODIFY, username::of_user, about::username).reverified(),
        staff(M::PUT, "/users/{uid}/email", Never, email::of_user, about::email).reverified(),
        staff(M::PUT, "/users/{uid}/password", Never, password::of_user, about::password).reverified(),
        staff(M::PUT, "/users/{uid}/staff", Never, rank::promote, about::promote).reverified(),
        staff(M::DELETE, "/users/{uid}/staff", Never, rank::demote, about::demote).reverified(),
    ]
}

fn kill_switches() -> Vec<Endpoint> {
    use Method as M;
    use switches::docs as about;
    const SCOPE: ScopeRule = Needs(Scope::StaffModifyKillswitches);
    vec![
        staff(M::GET, "/killswitches", SCOPE, switches::list, about::list),
        staff(M::DELETE, "/killswitches", SCOPE, switches::all_off, about::all_off).reverified(),
        staff(M::PUT, "/killswitches/{id}", SCOPE, switches::on, about::on).reverified(),
        staff(M::DELETE, "/killswitches/{id}", SCOPE, switches::off, about::off).reverified(),
    ]
}
