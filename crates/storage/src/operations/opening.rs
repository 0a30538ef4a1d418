//! Opening sessions.

use diesel::prelude::*;
use thunderhead_domain::audit::{AuditKind, Deed};
use thunderhead_domain::factor::RightAnswer;
use thunderhead_domain::id::{SessionId, UserId};
use thunderhead_domain::ports::BudgetKey;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::{Actor, NewSession, Power, Session};
use thunderhead_domain::warrant::{Lapse, Refusal, Warrant};

use super::super::lock_user;
use super::{Connection, audit, budgets, warrant};
use crate::fault::Failure;
use crate::rows::SessionRow;
use crate::schema::sessions;
use crate::text;

/// How many ids the first query for a free one looks at: nearly always it is the first.
const FIRST_CHUNK: i64 = 8;
/// How many ids a further query looks at.
const CHUNK: i64 = 1_000;

/// On the word of a credential of this version, and of an answer that is spent.
pub(super) fn with_credential(
    connection: &mut Connection,
    user: UserId,
    credential_version: i64,
    answer: Option<&RightAnswer>,
    session: &NewSession,
) -> Result<Session, Failure> {
    let row = lock_user(connection, user)?.ok_or(Refusal::Gone)?;
    if row.banned_at.is_some() {
        return Err(Refusal::Overtaken(Lapse::Banned).into());
    }
    if row.credential_version != credential_version {
        return Err(Refusal::Overtaken(Lapse::PasswordChanged).into());
    }
    if let Some(answer) = answer {
        warrant::spend(connection, &row, answer, session.at)?;
    }
    if !session.factor_owed {
        budgets::clear(connection, &text::budget_key(&BudgetKey::Account(user)))?;
    }
    insert(connection, user, session, AuditKind::LoggedIn)
}

/// On the word of another session of the same user.
pub(super) fn with_session(
    connection: &mut Connection,
    user: UserId,
    session: &NewSession,
    warrant: &Warrant,
) -> Result<Session, Failure> {
    warrant::honour(connection, warrant, &[user])?;
    let names_staff = match session.power {
        Power::Full => false,
        Power::Scoped(scopes) => scopes.names_staff(),
    };
    match lock_user(connection, user)? {
        None => Err(Refusal::Gone.into()),
        Some(row) if names_staff && !row.staff => Err(Refusal::Overtaken(Lapse::NotStaff).into()),
        Some(_) => insert(connection, user, session, AuditKind::ScopedSessionIssued),
    }
}

/// Inserts a session, and records that it was opened by its user. The user's row must be locked, or unknown to
/// others yet: nobody else picks an id.
pub(super) fn insert(
    connection: &mut Connection,
    user: UserId,
    session: &NewSession,
    kind: AuditKind,
) -> Result<Session, Failure> {
    let id = nearest_free_id(connection, user, SessionId::at(session.at))?;
    let row = SessionRow::new(user, id, session);
    diesel::insert_into(sessions::table).values(&row).execute(connection)?;
    let deed = Deed { at: session.at, by: Actor::User(user), client_ip: session.origin.client_ip };
    audit::record_session(connection, &deed, kind, (user, session.uuid), particulars(session))?;
    Ok(row.try_into()?)
}

/// What there is to say of a new session: its scopes, or that its user has not shown the second factor yet.
fn particulars(session: &NewSession) -> Option<String> {
    match session.power {
        Power::Scoped(scopes) => Some(scopes.iter().map(Scope::name).collect::<Vec<_>>().join(" ")),
        Power::Full => session.factor_owed.then(|| "second factor owed".to_owned()),
    }
}

/// The nearest id at or before `start` that no row of the user has, ended ones included. Ids in a row are read
/// in chunks, from the index alone.
fn nearest_free_id(connection: &mut Connection, user: UserId, start: SessionId) -> QueryResult<SessionId> {
    let mut candidate = start.number();
    let mut chunk = FIRST_CHUNK;
    loop {
        let taken: Vec<i64> = sessions::table
            .filter(sessions::user_id.eq(user.number()).and(sessions::id.le(candidate)))
            .order(sessions::id.desc())
            .limit(chunk)
            .select(sessions::id)
            .load(connection)?;
        for id in &taken {
            if *id != candidate {
                return Ok(SessionId::from_number(candidate));
            }
            candidate = SessionId::from_number(candidate).previous().number();
        }
        if taken.is_empty() {
            return Ok(SessionId::from_number(candidate));
        }
        chunk = CHUNK;
    }
}
