//! `GET /auth/admin/sessions/{id}`.

use thunderhead_domain::authorization::StaffPrincipal;

use crate::access::call::Call;
use crate::kratos::admin::view;
use crate::kratos::error::{KratosError, KratosResult};
use crate::kratos::query;
use crate::kratos::wire::shown;

pub(crate) async fn show(staff: StaffPrincipal, call: Call) -> KratosResult {
    let (uuid, expand) = (query::session(&call)?, query::expand(&call)?);
    let found = call.auth().sessions.all(&staff).show(uuid).await?.ok_or(KratosError::NotFound)?;
    Ok(shown(&view(&staff, &call, expand, false).of(&found.session, &found.user)))
}
