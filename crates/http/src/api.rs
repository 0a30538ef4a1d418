//! The current dialect: `/api` (`spec/sessions-api.md`, `spec/accounts-and-factors.md`).

pub(crate) mod error;

mod accounts;
mod hello;
mod identity;
mod ids;
mod login;
mod password;
mod path;
mod register;
mod sessions;
mod switches;
mod wire;

use actix_web::http::Method;
use thunderhead_domain::judgement::ScopeDemand::{self, Needs, Never};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;

use crate::route::{Endpoint, login, open, staff, user, visitor};

const ACCOUNT_CREATE: &[KillSwitch] = &[KillSwitch::AccountCreate];
const ACCOUNT_DELETE: &[KillSwitch] = &[KillSwitch::AccountDelete];
const ACCOUNT_LOGIN: &[KillSwitch] = &[KillSwitch::AccountLogin];
const ACCOUNT_MODIFY: &[KillSwitch] = &[KillSwitch::AccountModify];
const MODIFY_AND_LOGIN: &[KillSwitch] = &[KillSwitch::AccountModify, KillSwitch::AccountLogin];

/// Every endpoint with what it demands. `all` stands above `{sid}`, and `me` above `{uid}`.
pub(crate) fn table() -> Vec<Endpoint> {
    let mut table = vec![
        open("", hello::hello),
        login("/login", ACCOUNT_LOGIN, login::log_in),
        visitor(Method::POST, "/register", ACCOUNT_CREATE, register::register),
    ];
    table.extend(own_accounts());
    table.extend(own_sessions());
    table.extend(staff_sessions());
    table.extend(staff_accounts());
    table.extend(kill_switches());
    table
}

fn own_accounts() -> Vec<Endpoint> {
    use Method as M;
    use Scope as S;
    use accounts::{delete, email, password, show, username};
    vec![
        user(M::GET, "/users/me", Needs(S::AccountRead), &[], show::own),
        user(M::DELETE, "/users/me", Never, ACCOUNT_DELETE, delete::own).reverified(),
        user(M::PUT, "/users/me/username", Needs(S::AccountModify), ACCOUNT_MODIFY, username::own).reverified(),
        user(M::PUT, "/users/me/email", Never, ACCOUNT_MODIFY, email::own).reverified(),
        user(M::PUT, "/users/me/password", Never, ACCOUNT_MODIFY, password::own).reverified(),
    ]
}

fn own_sessions() -> Vec<Endpoint> {
    use Method as M;
    use Scope as S;
    use sessions::{end_all, end_one, end_some, issue, list, show};
    vec![
        user(M::DELETE, "/users/me/sessions/all", Needs(S::SessionModify), ACCOUNT_MODIFY, end_all::own),
        user(M::GET, "/users/me/sessions/{sid}", Needs(S::SessionRead), &[], show::own),
        user(M::DELETE, "/users/me/sessions/{sid}", Needs(S::SessionModify), ACCOUNT_MODIFY, end_one::own),
        user(M::GET, "/users/me/sessions", Needs(S::SessionRead), &[], list::own),
        user(M::DELETE, "/users/me/sessions", Needs(S::SessionModify), ACCOUNT_MODIFY, end_some::own),
        user(M::POST, "/users/me/sessions", Never, MODIFY_AND_LOGIN, issue::issue).reverified(),
    ]
}

fn staff_sessions() -> Vec<Endpoint> {
    use Method as M;
    use Scope as S;
    use sessions::{end_all, end_one, end_some, list, show};
    vec![
        staff(M::DELETE, "/users/{uid}/sessions/all", Needs(S::StaffModifySessions), end_all::of_user),
        staff(M::GET, "/users/{uid}/sessions/{sid}", Needs(S::StaffReadSessions), show::of_user),
        staff(M::DELETE, "/users/{uid}/sessions/{sid}", Needs(S::StaffModifySessions), end_one::of_user),
        staff(M::GET, "/users/{uid}/sessions", Needs(S::StaffReadSessions), list::of_user),
        staff(M::DELETE, "/users/{uid}/sessions", Needs(S::StaffModifySessions), end_some::of_user),
    ]
}

fn staff_accounts() -> Vec<Endpoint> {
    use Method as M;
    use accounts::{ban, delete, email, list, password, show, staff as rank, username, verify};
    const READ: ScopeDemand = Needs(Scope::StaffReadAccounts);
    const MODIFY: ScopeDemand = Needs(Scope::StaffModifyAccounts);
    vec![
        staff(M::GET, "/users", READ, list::list),
        staff(M::DELETE, "/users", MODIFY, delete::some).reverified(),
        staff(M::GET, "/users/{uid}", READ, show::of_user),
        staff(M::DELETE, "/users/{uid}", MODIFY, delete::of_user).reverified(),
        staff(M::PUT, "/users/{uid}/ban", MODIFY, ban::put).reverified(),
        staff(M::DELETE, "/users/{uid}/ban", MODIFY, ban::lift).reverified(),
        staff(M::PUT, "/users/{uid}/verify", MODIFY, verify::put).reverified(),
        staff(M::DELETE, "/users/{uid}/verify", MODIFY, verify::lift).reverified(),
        staff(M::PUT, "/users/{uid}/username", MODIFY, username::of_user).reverified(),
        staff(M::PUT, "/users/{uid}/email", Never, email::of_user).reverified(),
        staff(M::PUT, "/users/{uid}/password", Never, password::of_user).reverified(),
        staff(M::PUT, "/users/{uid}/staff", Never, rank::promote).reverified(),
        staff(M::DELETE, "/users/{uid}/staff", Never, rank::demote).reverified(),
    ]
}

fn kill_switches() -> Vec<Endpoint> {
    use Method as M;
    const SCOPE: ScopeDemand = Needs(Scope::StaffModifyKillswitches);
    vec![
        staff(M::GET, "/killswitches", SCOPE, switches::list),
        staff(M::DELETE, "/killswitches", SCOPE, switches::all_off).reverified(),
        staff(M::PUT, "/killswitches/{id}", SCOPE, switches::on).reverified(),
        staff(M::DELETE, "/killswitches/{id}", SCOPE, switches::off).reverified(),
    ]
}
