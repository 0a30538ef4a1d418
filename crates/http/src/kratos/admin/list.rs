//! `GET /auth/admin/sessions` and `GET /auth/admin/identities/{id}/sessions`.

use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::ports::SessionFilter;

use crate::access::call::Call;
use crate::kratos::admin::view;
use crate::kratos::error::{KratosError, KratosResult};
use crate::kratos::paging::Paging;
use crate::kratos::query;
use crate::kratos::wire::Expand;
use crate::kratos::wire::{SessionList, shown};

pub(crate) async fn all(staff: StaffPrincipal, call: Call) -> KratosResult {
    let expand = query::expand(&call)?;
    let filter = SessionFilter { active: query::active(&call)?, ..SessionFilter::default() };
    // There may be tens of millions: to count them takes longer than anybody waits for a page.
    page(&staff, &call, filter, expand, None).await
}

pub(crate) async fn of_identity(staff: StaffPrincipal, call: Call) -> KratosResult {
    let (identity, active) = (query::identity(&call)?, query::active(&call)?);
    let user = call.auth().accounts.find(&staff, identity).await?.ok_or(KratosError::NotFound)?;
    let filter = SessionFilter { user: Some(user.id), active, ..SessionFilter::default() };
    let count = call.auth().sessions.all(&staff).count(filter).await?;
    page(&staff, &call, filter, Expand::EVERYTHING, Some(count)).await
}

async fn page(
    staff: &StaffPrincipal,
    call: &Call,
    filter: SessionFilter,
    expand: Expand,
    count: Option<u64>,
) -> KratosResult {
    let paging = Paging::of(call.request())?;
    let mut rows = call.auth().sessions.all(staff).list(filter, paging.start(), paging.limit()).await?;
    let links = paging.turn(call.request(), &mut rows, |row| &row.session, count);
    let view = view(staff, call, expand, true);
    let sessions = SessionList(rows.iter().map(|row| view.of(&row.session, &row.user)).collect());
    Ok(links.write(shown(&sessions)))
}
