//! The current dialect: `/api` (`spec/sessions-api.md`, `spec/accounts-and-factors.md`).

pub(crate) mod error;

mod hello;
mod identity;
mod login;
mod me;
mod register;
mod sessions;
mod wire;

use actix_web::http::Method;
use thunderhead_domain::judgement::ScopeDemand::{Needs, Never};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;

use crate::route::{Endpoint, login, open, staff, user, visitor};

const ACCOUNT_CREATE: &[KillSwitch] = &[KillSwitch::AccountCreate];
const ACCOUNT_LOGIN: &[KillSwitch] = &[KillSwitch::AccountLogin];
const ACCOUNT_MODIFY: &[KillSwitch] = &[KillSwitch::AccountModify];
const MODIFY_AND_LOGIN: &[KillSwitch] = &[KillSwitch::AccountModify, KillSwitch::AccountLogin];

/// Every endpoint with what it demands. `all` stands above `{sid}`, and `me` above `{uid}`.
pub(crate) fn table() -> Vec<Endpoint> {
    use Method as M;
    use Scope as S;
    use sessions::{end_all, end_one, end_some, issue, list, show};
    vec![
        open("", hello::hello),
        login("/login", ACCOUNT_LOGIN, login::log_in),
        visitor(M::POST, "/register", ACCOUNT_CREATE, register::register),
        user(M::GET, "/users/me", Needs(S::AccountRead), &[], me::show),
        user(M::DELETE, "/users/me/sessions/all", Needs(S::SessionModify), ACCOUNT_MODIFY, end_all::own),
        user(M::GET, "/users/me/sessions/{sid}", Needs(S::SessionRead), &[], show::own),
        user(M::DELETE, "/users/me/sessions/{sid}", Needs(S::SessionModify), ACCOUNT_MODIFY, end_one::own),
        user(M::GET, "/users/me/sessions", Needs(S::SessionRead), &[], list::own),
        user(M::DELETE, "/users/me/sessions", Needs(S::SessionModify), ACCOUNT_MODIFY, end_some::own),
        user(M::POST, "/users/me/sessions", Never, MODIFY_AND_LOGIN, issue::issue).reverified(),
        staff(M::DELETE, "/users/{uid}/sessions/all", Needs(S::StaffModifySessions), end_all::of_user),
        staff(M::GET, "/users/{uid}/sessions/{sid}", Needs(S::StaffReadSessions), show::of_user),
        staff(M::DELETE, "/users/{uid}/sessions/{sid}", Needs(S::StaffModifySessions), end_one::of_user),
        staff(M::GET, "/users/{uid}/sessions", Needs(S::StaffReadSessions), list::of_user),
        staff(M::DELETE, "/users/{uid}/sessions", Needs(S::StaffModifySessions), end_some::of_user),
    ]
}
