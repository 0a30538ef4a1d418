//! The legacy dialect: `/api/user…`, and the same without `/user` (`docs/API-LEGACY.md`). It exists so that programs
//! written years ago keep working: the same users and sessions in other words.

pub(crate) mod document;
pub(crate) mod error;
pub(crate) mod mark;
pub(crate) mod schemas;
pub(crate) mod wire;

mod docs;
mod form;
mod login;
mod sessions;

use actix_web::http::Method;
use thunderhead_domain::authorization::ScopeRule::{self, Needs};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;

use crate::access::route::{Endpoint, login, staff, user};
use crate::legacy::docs as about;

const ACCOUNT_LOGIN: &[KillSwitch] = &[KillSwitch::AccountLogin];
const ACCOUNT_MODIFY: &[KillSwitch] = &[KillSwitch::AccountModify];

/// Where this dialect is at home: what is not in its table there is told in its manner.
pub(crate) const NOWHERE: [&str; 4] = ["/user", "/user/{rest}*", "/session/{rest}*", "/sessions/{rest}*"];

/// Every endpoint with what it demands: that of its counterpart in the current dialect.
pub(crate) fn table() -> Vec<Endpoint> {
    let mut table = own_sessions(["/user/session", "/user/session/{sid}", "/user/sessions", "/user/sessions/all"]);
    table.extend(staff_sessions());
    // Some old programs leave `/user` out.
    table.extend(own_sessions(["/session", "/session/{sid}", "/sessions", "/sessions/all"]));
    table
}

fn own_sessions([current, one, several, all]: [&'static str; 4]) -> Vec<Endpoint> {
    use Method as M;
    const READ: ScopeRule = Needs(Scope::SessionRead);
    const MODIFY: ScopeRule = Needs(Scope::SessionModify);
    const SHUT: &[KillSwitch] = ACCOUNT_MODIFY;
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
        staff(M::DELETE, "/user/{uid}/sessions/all", MODIFY, of_user::end_all, about::staff_end_all),
        staff(M::GET, "/user/{uid}/sessions", READ, of_user::list, about::staff_list),
        staff(M::DELETE, "/user/{uid}/sessions", MODIFY, of_user::end_some, about::staff_end_some),
        staff(M::GET, "/user/{uid}/session/{sid}", READ, of_user::show, about::staff_show),
        staff(M::DELETE, "/user/{uid}/session/{sid}", MODIFY, of_user::end_one, about::staff_end_one),
    ]
}
