//! Stepping up sessions by a second factor, and letting them last longer.

use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::change_authorization::{PreconditionFailed, Refusal};
use thunderhead_domain::device::LoginDevice;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{Invalidation, StepUp};
use thunderhead_domain::session::{Authentication, Session, prove};
use thunderhead_domain::time::Timestamp;

use super::caps;
use super::operations::throttle::budgets;
use super::operations::{Query, WriteTransaction, change_authorization, known, live_sessions, on_primary};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::{OpenSessionKind, SessionRow};
use crate::schema::sessions;
use crate::text;

/// Steps up an open session by a factor, which is spent.
pub(crate) fn step_up(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    session: SessionUuid,
    step_up: &StepUp,
    action: &ActionContext,
) -> Result<Session, OperationError> {
    let StepUp { used, agent, cap, clears } = step_up;
    let row = transaction.lock_for_session_change(user)?.ok_or(Refusal::Gone)?;
    if row.banned_at.is_some() {
        return Err(Refusal::Stale(PreconditionFailed::Banned).into());
    }
    let lasting = transaction.lasting_in_use(user, action.at)?;
    let open = live_sessions::of_user(user, lasting).filter(sessions::uuid.eq(session.0.as_bytes().as_slice()));
    let found: Option<SessionRow> = open.select(SessionRow::as_select()).get_result(transaction).optional()?;
    let found = found.ok_or(Refusal::Stale(PreconditionFailed::SessionEnded))?;
    let mut stepped_up = found.of_current()?.under(transaction.policy().of(row.staff));
    change_authorization::use_up(transaction, &row, used, action.at)?;
    let completes_login = stepped_up.second_factor_pending;
    if completes_login {
        caps::make_room(transaction, &row, OpenSessionKind::Full, *cap, action)?;
    }
    prove(&mut stepped_up.authentications, Authentication { method: used.method(), at: action.at });
    stepped_up.second_factor_pending = false;
    stepped_up.updated_at = action.at;
    let change = (
        sessions::authentications.eq(text::authentications_text(&stepped_up.authentications)),
        sessions::second_factor_pending.eq(false),
        sessions::updated_at.eq(action.at.unix_millis()),
    );
    let named = sessions::table.find(session.0.as_bytes().as_slice());
    transaction.change(Invalidation::User(user), diesel::update(named).set(change))?;
    budgets::clear(transaction, clears)?;
    known::note_network(transaction, user, action.client_ip, action.at)?;
    let device = LoginDevice::new(agent.clone(), action.client_ip);
    let new_device = completes_login && known::note_device(transaction, user, &device, action.at)?;
    transaction.audit_login(action, AuditKind::SessionSteppedUp, &row, &stepped_up, None, new_device)?;
    Ok(stepped_up)
}

/// Lets a live session last until a moment, if that is later and its token does not say otherwise.
pub(crate) fn extend(
    transaction: &mut WriteTransaction<'_>,
    session: SessionUuid,
    until: Timestamp,
    action: &ActionContext,
) -> Result<Option<Session>, OperationError> {
    let key = session.0.as_bytes().as_slice();
    let named = sessions::table.find(key);
    let user: Option<i64> = on_primary(named).select(sessions::user_id).get_result(transaction).optional()?;
    let Some(user) = user.map(UserId::from_number) else { return Ok(None) };
    let Some(owner) = transaction.lock_for_session_change(user)? else { return Ok(None) };
    // A token that is signed says when it expires; the row could not make it last.
    let lasting = transaction.lasting(user, action.at)?;
    let longer = live_sessions::of_user(user, lasting)
        .filter(sessions::uuid.eq(key))
        .filter(sessions::opaque_digest.is_not_null())
        .filter(sessions::expires_at.lt(until.unix_millis()));
    let change = (sessions::expires_at.eq(until.unix_millis()), sessions::updated_at.eq(action.at.unix_millis()));
    let extended = transaction.change(Invalidation::User(user), diesel::update(longer).set(change))? > 0;
    let live = live_sessions::of_user(user, lasting).filter(sessions::uuid.eq(key));
    let row: Option<SessionRow> = live.select(SessionRow::as_select()).get_result(transaction).optional()?;
    let Some(row) = row else { return Ok(None) };
    if extended {
        transaction.audit_session(action, AuditKind::SessionExtended, &owner, &row, Some(until.to_string()))?;
    }
    Ok(Some(row.of_current()?.under(transaction.policy().of(owner.staff))))
}
