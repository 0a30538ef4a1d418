//! Opening sessions.

use diesel::dsl::exists;
use diesel::select;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::change_authorization::{ChangeAuthorization, PreconditionFailed, Refusal};
use thunderhead_domain::factor::{FactorUse, PasskeyAnswer, RightAnswer};
use thunderhead_domain::id::{SessionId, UserId};
use thunderhead_domain::ports::Stored;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::{Actor, Grant, NewSession, PENDING_CAP, Session};

use super::caps;
use super::operations::throttle::budgets;
use super::operations::{Database, Paged, Query, ReadConnection, WriteTransaction, change_authorization, known};
use crate::dsl::*;
use crate::engine::{DatabaseEngine as _, NotedDevice, OpenedAtOnce, OpeningProof, PasskeyUse, SessionOpening};
use crate::error::OperationError;
use crate::rows::{ClearedBudgets, NewAuditRow, OpenSessionKind, SessionRow, UserRow};
use crate::schema::sessions;

/// How many ids the first query for a free one reads: nearly always it is the first.
const FIRST_CHUNK: i64 = 8;
/// How many ids the second query reads.
const CHUNK: i64 = 1_000;
/// How many ids a query beyond that looks up.
const PROBES: u32 = 32;

/// Opens a session by a credential of this version, where that can be done at once. `None` where nothing was done: it is
/// refused, others end to make room for it, or it takes a transaction.
pub(crate) async fn by_credential_at_once(
    database: &Database,
    user: UserId,
    credential_version: i64,
    session: &NewSession,
) -> Stored<Option<Session>> {
    at_once(database, user, || OpeningProof::Credential(credential_version), session).await
}

/// The same by a passkey, whose answer is spent.
pub(crate) async fn by_passkey_at_once(
    database: &Database,
    user: UserId,
    answer: &PasskeyAnswer,
    session: &NewSession,
) -> Stored<Option<Session>> {
    let FactorUse::Webauthn { factor, sign_count, credential } = &answer.used else { return Ok(None) };
    // One that has expired may have been forgotten.
    if session.at >= answer.expires_at {
        return Ok(None);
    }
    let proof = || {
        OpeningProof::Passkey(PasskeyUse {
            challenge: answer.challenge.0.as_bytes().to_vec(),
            challenge_expires_at: answer.expires_at.unix_millis(),
            factor: factor.0.as_bytes().to_vec(),
            latest_count: change_authorization::latest_count(*sign_count),
            sign_count: (*sign_count).into(),
            credential: credential.clone(),
        })
    };
    at_once(database, user, proof, session).await
}

async fn at_once(
    database: &Database,
    user: UserId,
    proof: impl FnOnce() -> OpeningProof + Send,
    session: &NewSession,
) -> Stored<Option<Session>> {
    let kind = OpenSessionKind::of(session);
    let cap = if kind == OpenSessionKind::Pending { PENDING_CAP } else { session.cap };
    let row = || SessionRow::new(user, 0, SessionId::at(session.at), session);
    let opening = || SessionOpening {
        row: row(),
        proof: proof(),
        kind,
        cap: cap.most.into(),
        clears: session.clears.as_ref().filter(|_| !session.second_factor_pending).map(ClearedBudgets::of),
        record: NewAuditRow::new(&opened_by(user, session), AuditKind::LoggedIn, particulars(session))
            .of_user(user.into()),
        network: session.origin.client_ip.filter(|_| !session.second_factor_pending).map(known::name),
        device: session.login_device().map(|device| NotedDevice::new(&device, known::since(session.at))),
    };
    let Some(OpenedAtOnce { id, generation }) = database.open_at_once(opening).await? else { return Ok(None) };
    let opened = SessionRow { id, generation, ..row() }.of_current();
    Ok(Some(opened.map_err(OperationError::from)?))
}

/// Opens a session by a credential of this version, and an answer that is spent.
pub(crate) fn with_credential(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    credential_version: i64,
    answer: Option<&RightAnswer>,
    session: &NewSession,
) -> Result<Session, OperationError> {
    let row = lock_unless_banned(transaction, user)?;
    if row.credential_version != credential_version {
        return Err(Refusal::Stale(PreconditionFailed::PasswordChanged).into());
    }
    if let Some(answer) = answer {
        change_authorization::spend(transaction, &row, answer, session.at)?;
    }
    log_in(transaction, &row, session)
}

/// Opens a session by a passkey, whose answer is spent.
pub(crate) fn with_passkey(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    answer: &PasskeyAnswer,
    session: &NewSession,
) -> Result<Session, OperationError> {
    let row = lock_unless_banned(transaction, user)?;
    change_authorization::spend_passkey(transaction, &row, answer, session.at)?;
    log_in(transaction, &row, session)
}

fn lock_unless_banned(transaction: &mut WriteTransaction<'_>, user: UserId) -> Result<UserRow, OperationError> {
    let row = transaction.lock_for_session_change(user)?.ok_or(Refusal::Gone)?;
    if row.banned_at.is_some() { Err(Refusal::Stale(PreconditionFailed::Banned).into()) } else { Ok(row) }
}

/// Opens the session of a user who has shown all that was asked for.
fn log_in(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    session: &NewSession,
) -> Result<Session, OperationError> {
    if let Some(key) = session.clears.as_ref().filter(|_| !session.second_factor_pending) {
        budgets::clear(transaction, key)?;
    }
    caps::make_room_for(transaction, row, session)?;
    let new_device = known::note_login(transaction, UserId::from_number(row.id), session)?;
    insert(transaction, row, session, AuditKind::LoggedIn, new_device)
}

/// Opens a session that another one of the same user asks for.
pub(crate) fn with_session(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    session: &NewSession,
    authorization: &ChangeAuthorization,
) -> Result<Session, OperationError> {
    change_authorization::verify_and_consume(transaction, authorization, &[user])?;
    let names_staff = match session.grant {
        Grant::Full => false,
        Grant::Scoped(scopes) => scopes.names_staff(),
    };
    let row = transaction.lock_for_session_change(user)?.ok_or(Refusal::Gone)?;
    if names_staff && !row.staff {
        return Err(Refusal::Stale(PreconditionFailed::NotStaff).into());
    }
    // The user's row is locked: who asks for the same session once more does so after the first.
    let same = sessions::table.find(session.uuid.0.as_bytes().as_slice());
    if select(exists(same)).get_result(transaction)? {
        return Err(Refusal::Taken.into());
    }
    caps::make_room_for(transaction, &row, session)?;
    insert(transaction, &row, session, AuditKind::ScopedSessionIssued, false)
}

/// Inserts a session, and records that it was opened by its user. The user's row must be locked, or unknown to
/// others yet: nobody else picks an id. The record says whether it is a login with a new device.
pub(crate) fn insert(
    transaction: &mut WriteTransaction<'_>,
    owner: &UserRow,
    session: &NewSession,
    kind: AuditKind,
    new_device: bool,
) -> Result<Session, OperationError> {
    let user = UserId::from_number(owner.id);
    let id = nearest_free_id(transaction, user, SessionId::at(session.at))?;
    let limits = *transaction.policy().of(owner.staff);
    let row = SessionRow::new(user, owner.session_generation, id, session);
    transaction.insert_session(&row)?;
    let action = opened_by(user, session);
    transaction.audit_login(&action, kind, owner, &row, particulars(session), new_device)?;
    if !session.second_factor_pending {
        known::note_network(transaction, user, action.client_ip, action.at)?;
    }
    Ok(row.of_current()?.under(&limits))
}

fn opened_by(user: UserId, session: &NewSession) -> ActionContext {
    ActionContext { at: session.at, by: Actor::User(user), client_ip: session.origin.client_ip }
}

/// What there is to say of a new session: its scopes, or that its user has not shown the second factor yet.
fn particulars(session: &NewSession) -> Option<String> {
    match session.grant {
        Grant::Scoped(scopes) => Some(scopes.iter().map(Scope::name).collect::<Vec<_>>().join(" ")),
        Grant::Full => session.second_factor_pending.then(|| "second factor pending".to_owned()),
    }
}

/// The nearest id at or before `start` that no row of the user has, ended ones included. Ids in a row are read from the
/// index alone; of a long row only so many, and then its end is searched for.
fn nearest_free_id(connection: &mut ReadConnection<'_>, user: UserId, start: SessionId) -> QueryResult<SessionId> {
    let mut candidate = start.number();
    for chunk in [FIRST_CHUNK, CHUNK] {
        let from_here_on = sessions::table
            .filter(sessions::user_id.eq(user.number()).and(sessions::id.le(candidate)))
            .order(sessions::id.desc())
            .select(sessions::id);
        let taken: Vec<i64> = Paged::new(from_here_on, chunk, 0).load(connection)?;
        let free = taken.iter().zip(0..).find(|(id, below)| **id != candidate - below).map(|(_, below)| below);
        if let Some(below) = free.or((taken.len() < chunk as usize).then_some(taken.len() as i64)) {
            return Ok(SessionId::from_number(candidate - below));
        }
        candidate -= chunk;
    }
    end_of_row(connection, user, candidate + 1).map(SessionId::from_number)
}

/// The free id right below a row of taken ones that `taken` is in. Ids ever farther down are looked up, and then those
/// in between: so a row of a million costs a few queries. Where there are gaps in between, it may be the next one of
/// them.
fn end_of_row(connection: &mut ReadConnection<'_>, user: UserId, mut taken: i64) -> QueryResult<i64> {
    let mut step = 1;
    let mut free = loop {
        let probes: Vec<i64> = (0..PROBES)
            .scan(step, |far, _| {
                let at = taken - *far;
                *far *= 2;
                Some(at)
            })
            .collect();
        let (lowest_taken, free) = nearest(connection, user, taken, &probes)?;
        step = (taken - lowest_taken).max(1) * 2;
        taken = lowest_taken;
        if let Some(free) = free {
            break free;
        }
    };
    while taken - free > 1 {
        let spacing = ((taken - free) / i64::from(PROBES)).max(1);
        let probes: Vec<i64> = (1..=PROBES).map(|n| taken - spacing * i64::from(n)).filter(|id| *id > free).collect();
        let (lowest_taken, found) = nearest(connection, user, taken, &probes)?;
        (taken, free) = (lowest_taken, found.unwrap_or(free));
    }
    Ok(free)
}

/// Of these ids in descending order, the first that is free, and the taken one before it.
fn nearest(
    connection: &mut ReadConnection<'_>,
    user: UserId,
    mut taken: i64,
    probes: &[i64],
) -> QueryResult<(i64, Option<i64>)> {
    let found: Vec<i64> = sessions::table
        .filter(sessions::user_id.eq(user.number()).and(sessions::id.eq_any(probes.to_vec())))
        .select(sessions::id)
        .load(connection)?;
    for probe in probes {
        if !found.contains(probe) {
            return Ok((taken, Some(*probe)));
        }
        taken = *probe;
    }
    Ok((taken, None))
}
