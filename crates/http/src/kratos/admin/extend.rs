//! `PATCH /auth/admin/sessions/{id}/extend`.

use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::scope::Scope;

use crate::access::call::Call;
use crate::kratos::admin::view;
use crate::kratos::error::{KratosError, KratosResult};
use crate::kratos::query;
use crate::kratos::wire::Expand;
use crate::kratos::wire::done;

pub(crate) async fn extend(staff: StaffPrincipal, call: Call) -> KratosResult {
    let uuid = query::session(&call)?;
    let found = call.auth().sessions.all(&staff).show(uuid).await?.ok_or(KratosError::NotFound)?;
    let extended = call.auth().sessions.all(&staff).extend(uuid, call.auth().policy().lifetimes.kratos).await?;
    let session = extended.ok_or(KratosError::NotFound)?;
    // Who may change sessions need not be somebody who may see where they are used.
    let devices = staff.principal().authenticated().may(Scope::StaffReadSessions, call.auth().policy().staff_factor);
    Ok(done(&view(&staff, &call, Expand { identity: true, devices }, false).of(&session, &found.user)))
}
