//! `DELETE /auth/admin/sessions/{id}` and `DELETE /auth/admin/identities/{id}/sessions`.

use actix_web::HttpResponse;
use thunderhead_domain::authorization::StaffPrincipal;

use crate::access::call::Call;
use crate::kratos::error::{KratosError, KratosResult};
use crate::kratos::query;

/// A session that was over already is no error; one that never was is.
pub(crate) async fn one(staff: StaffPrincipal, call: Call) -> KratosResult {
    let uuid = query::session(&call)?;
    call.auth().sessions.all(&staff).end(uuid).await?.ok_or(KratosError::NotFound)?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn of_identity(staff: StaffPrincipal, call: Call) -> KratosResult {
    let identity = query::identity(&call)?;
    match call.auth().sessions.all(&staff).end_of(&[identity]).await? {
        0 => Err(KratosError::NotFound),
        _ => Ok(HttpResponse::NoContent().finish()),
    }
}
