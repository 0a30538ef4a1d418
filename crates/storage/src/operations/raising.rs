//! Raising sessions by a second factor, and letting them last longer.

use diesel::prelude::*;
use thunderhead_domain::audit::{AuditKind, Deed};
use thunderhead_domain::budget::BudgetKey;
use thunderhead_domain::factor::FactorUse;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::session::{Authentication, Session, prove};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::warrant::{Lapse, Refusal};

use super::super::on_primary;
use super::{Connection, audit, budgets, caps, live, networks, opening, warrant};
use crate::fault::Failure;
use crate::rows::{Kind, SessionRow};
use crate::schema::sessions;
use crate::text;

/// Raises an open session by a factor, which is spent.
pub(super) fn raise(
    connection: &mut Connection,
    user: UserId,
    session: SessionUuid,
    used: &FactorUse,
    cap: u32,
    clears: &BudgetKey,
    deed: &Deed,
) -> Result<Session, Failure> {
    let row = opening::lock_for_change(connection, user)?.ok_or(Refusal::Gone)?;
    if row.banned_at.is_some() {
        return Err(Refusal::Overtaken(Lapse::Banned).into());
    }
    let open = live::live(user, deed.at).filter(sessions::uuid.eq(session.0.as_bytes().as_slice()));
    let found: Option<SessionRow> = open.select(SessionRow::as_select()).get_result(connection).optional()?;
    let mut raised = found.ok_or(Refusal::Overtaken(Lapse::SessionEnded))?.of_current()?;
    warrant::use_up(connection, &row, used, deed.at)?;
    if raised.factor_owed {
        caps::make_room(connection, user, Kind::Full, cap, deed)?;
    }
    prove(&mut raised.authentications, Authentication { method: used.method(), at: deed.at });
    raised.factor_owed = false;
    raised.updated_at = deed.at;
    diesel::update(sessions::table.find(session.0.as_bytes().as_slice()))
        .set((
            sessions::authentications.eq(text::authentications_text(&raised.authentications)),
            sessions::factor_owed.eq(false),
            sessions::updated_at.eq(deed.at.unix_millis()),
        ))
        .execute(connection)?;
    budgets::clear(connection, clears)?;
    networks::remember(connection, user, deed.client_ip, deed.at)?;
    audit::record_session(connection, deed, AuditKind::SessionRaised, (user, session), None)?;
    Ok(raised)
}

/// Lets a live session last until a moment, if that is later and its token does not say otherwise.
pub(super) fn extend(
    connection: &mut Connection,
    session: SessionUuid,
    until: Timestamp,
    deed: &Deed,
) -> Result<Option<Session>, Failure> {
    let key = session.0.as_bytes().as_slice();
    let named = sessions::table.find(key);
    let user: Option<i64> = on_primary(named).select(sessions::user_id).get_result(connection).optional()?;
    let Some(user) = user.map(UserId::from_number) else { return Ok(None) };
    if opening::lock_for_change(connection, user)?.is_none() {
        return Ok(None);
    }
    // A token that is signed says when it expires; the row could not make it last.
    let longer = live::live(user, deed.at)
        .filter(sessions::uuid.eq(key))
        .filter(sessions::opaque_digest.is_not_null())
        .filter(sessions::expires_at.lt(until.unix_millis()));
    let change = (sessions::expires_at.eq(until.unix_millis()), sessions::updated_at.eq(deed.at.unix_millis()));
    if diesel::update(longer).set(change).execute(connection)? > 0 {
        audit::record_session(connection, deed, AuditKind::SessionExtended, (user, session), Some(until.to_string()))?;
    }
    let live = live::live(user, deed.at).filter(sessions::uuid.eq(key));
    let row: Option<SessionRow> = live.select(SessionRow::as_select()).get_result(connection).optional()?;
    Ok(row.map(SessionRow::of_current).transpose()?)
}
