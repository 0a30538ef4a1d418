//! `/auth/admin/…`: everybody's sessions, for staff.

pub(super) mod disable;
pub(super) mod end;
pub(super) mod extend;
pub(super) mod list;
pub(super) mod show;

use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::scope::Scope;

use crate::access::call::Call;
use crate::kratos::place;
use crate::kratos::query::Expand;
use crate::kratos::wire::View;

/// How staff see a session.
fn view(staff: &StaffPrincipal, call: &Call, expand: Expand, in_list: bool) -> View {
    View {
        now: call.auth().clock().now(),
        current: Some(staff.principal().session().uuid),
        origin: place::origin(call),
        expand,
        in_list,
        with_traits: call.auth().may(staff.principal().authenticated(), Scope::StaffReadAccounts),
        with_end: true,
    }
}
