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
use crate::kratos::wire::Expand;
use crate::kratos::wire::View;

/// How staff see a session.
fn view(staff: &StaffPrincipal, call: &Call, expand: Expand, in_list: bool) -> View {
    View {
        now: call.auth().clock().now(),
        current: Some(staff.principal().session().uuid),
        origin: place::origin(call),
        expand,
        in_list,
        with_traits: staff.principal().authenticated().may(Scope::StaffReadAccounts, call.auth().policy().staff_factor),
        with_end: true,
    }
}
