//! Authorizations of changes: whether their preconditions still hold, verified and consumed in the transaction of the
//! change.

use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::budget::BudgetKey;
use thunderhead_domain::challenge::{Challenge, ChallengeId};
use thunderhead_domain::change_authorization::{
    ChangeAuthorization, Evidence, PreconditionFailed, Preconditions, Refusal,
};
use thunderhead_domain::factor::{FactorId, FactorUse, ImportedCode, PasskeyAnswer, RightAnswer};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::Invalidation;
use thunderhead_domain::session::{Authentication, Method, TokenDigest, prove, proved_at};
use thunderhead_domain::time::Timestamp;

use super::throttle::budgets;
use super::{Query, ReadConnection, UncheckedStatement, WriteTransaction, live_sessions};
use crate::dsl::*;
use crate::error::{DataError, OperationError};
use crate::rows::{RecordedSession, UserRow};
use crate::schema::{backup_codes, challenges, imported_codes, second_factors, sessions, used_passkey_challenges};
use crate::text;

/// Makes sure that an authorization holds, and spends what it brings. The rows of who asks and of the `subjects` are
/// locked first, all at once and in the order of their ids: no two who do this wait for each other. They are returned,
/// unless nothing is asked of who asks: then none is locked.
pub(crate) fn verify_and_consume(
    transaction: &mut WriteTransaction<'_>,
    authorization: &ChangeAuthorization,
    subjects: &[UserId],
) -> Result<Vec<UserRow>, OperationError> {
    let Some(preconditions) = &authorization.preconditions else { return Ok(Vec::new()) };
    let mut ids: Vec<i64> = subjects.iter().chain([&preconditions.user]).map(|user| user.number()).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = transaction.lock_users(&ids)?;
    let Some(row) = rows.iter().find(|row| row.id == preconditions.user.number()) else {
        return stale_change(PreconditionFailed::SessionEnded);
    };
    let at = authorization.action.at;
    let (authentications, session) = check_status(transaction, preconditions, row, at)?;
    let shown = match &preconditions.evidence {
        Evidence::Nothing => return Ok(rows),
        Evidence::Password(version) if *version == row.credential_version => Method::Password,
        Evidence::Password(_) => return stale_change(PreconditionFailed::PasswordChanged),
        Evidence::Answer(answer) => {
            spend(transaction, row, answer, at)?;
            answer.used.method()
        }
        Evidence::Passkey(answer) => {
            spend_passkey(transaction, row, answer, at)?;
            Method::Passkey
        }
        Evidence::Confirmation(since) => {
            let proved_at = proved_at(&text::authentications(&authentications)?, row.has_second_factor);
            let holds = proved_at.is_some_and(|proved_at| proved_at >= *since);
            return if holds { Ok(rows) } else { stale_change(PreconditionFailed::ConfirmationOver) };
        }
        // To show a new factor is no reverification: it leaves the failure budget alone. Which it is the change knows.
        Evidence::Enrolment(challenge) => {
            close_offer(transaction, row, *challenge, at)?;
            return Ok(rows);
        }
    };
    prove_beyond(transaction, preconditions, (&authentications, session), shown, &authorization.action)?;
    budgets::clear(transaction, &BudgetKey::Session(preconditions.user, preconditions.session))?;
    Ok(rows)
}

/// The same for a change to one user, whose row is returned, locked.
pub(crate) fn verify_and_lock(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    authorization: &ChangeAuthorization,
) -> Result<UserRow, OperationError> {
    let locked = verify_and_consume(transaction, authorization, &[user])?;
    let row = match locked.into_iter().find(|row| row.id == user.number()) {
        Some(row) => Some(row),
        None => transaction.lock_user(user)?,
    };
    Ok(row.ok_or(Refusal::Gone)?)
}

fn stale_change<T>(failed: PreconditionFailed) -> Result<T, OperationError> {
    Err(Refusal::Stale(failed).into())
}

/// Adds to what the session rests on that asks: something was shown in it. That a second factor was for the first time
/// is recorded. The user's row is locked.
pub(crate) fn prove_session(
    transaction: &mut WriteTransaction<'_>,
    preconditions: &Preconditions,
    method: Method,
    action: &ActionContext,
) -> Result<(), OperationError> {
    let session = sessions::table.find(preconditions.session.0.as_bytes().as_slice());
    let columns = (sessions::authentications, RecordedSession::COLUMNS);
    let known: Option<(String, RecordedSession)> = session.select(columns).get_result(transaction).optional()?;
    let Some((known, recorded)) = known else { return stale_change(PreconditionFailed::SessionEnded) };
    prove_beyond(transaction, preconditions, (&known, recorded), method, action)
}

/// The same, given what the session rests on.
fn prove_beyond(
    transaction: &mut WriteTransaction<'_>,
    preconditions: &Preconditions,
    (known, recorded): (&str, RecordedSession),
    method: Method,
    action: &ActionContext,
) -> Result<(), OperationError> {
    let session = sessions::table.find(preconditions.session.0.as_bytes().as_slice());
    let mut authentications = text::authentications(known)?;
    let is_step_up = method.is_second_factor() && !authentications.iter().any(|shown| shown.method.is_second_factor());
    prove(&mut authentications, Authentication { method, at: action.at });
    let change = (
        sessions::authentications.eq(text::authentications_text(&authentications)),
        sessions::updated_at.eq(action.at.unix_millis()),
    );
    transaction.change(Invalidation::User(preconditions.user), diesel::update(session).set(change))?;
    if is_step_up {
        transaction.audit_session(action, AuditKind::SessionSteppedUp, preconditions.user, recorded, None)?;
    }
    Ok(())
}

/// Whether who asks may still ask. Returns what their session rests on, and which it is.
fn check_status(
    connection: &mut ReadConnection<'_>,
    preconditions: &Preconditions,
    row: &UserRow,
    at: Timestamp,
) -> Result<(String, RecordedSession), OperationError> {
    if row.banned_at.is_some() {
        return stale_change(PreconditionFailed::Banned);
    }
    let lasting = connection.lasting_in_use(preconditions.user, at)?;
    let session = live_sessions::of_user(preconditions.user, lasting)
        .filter(sessions::uuid.eq(preconditions.session.0.as_bytes().as_slice()))
        .filter(sessions::second_factor_pending.eq(false));
    let columns = (sessions::authentications, RecordedSession::COLUMNS);
    let live: Option<(String, RecordedSession)> = session.select(columns).get_result(connection).optional()?;
    let Some((authentications, session)) = live else { return stale_change(PreconditionFailed::SessionEnded) };
    match preconditions.staff {
        Some(_) if !row.staff => stale_change(PreconditionFailed::NotStaff),
        Some(StaffFactor::Required) if !(row.has_second_factor && shows_a_factor(&authentications)?) => {
            stale_change(PreconditionFailed::StaffFactorMissing)
        }
        Some(StaffFactor::Required | StaffFactor::Waived) | None => Ok((authentications, session)),
    }
}

fn shows_a_factor(authentications: &str) -> Result<bool, DataError> {
    Ok(text::authentications(authentications)?.iter().any(|shown| shown.method.is_second_factor()))
}

/// Spends a right answer with its challenge. The user's row is locked.
pub(crate) fn spend(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    answer: &RightAnswer,
    at: Timestamp,
) -> Result<(), OperationError> {
    close(transaction, row, answer.challenge, at)?;
    use_up(transaction, row, &answer.used, at)
}

/// Spends a passkey's answer with its challenge. The user's row is locked.
pub(crate) fn spend_passkey(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    answer: &PasskeyAnswer,
    at: Timestamp,
) -> Result<(), OperationError> {
    let used = (
        used_passkey_challenges::id.eq(answer.challenge.0.as_bytes().as_slice()),
        used_passkey_challenges::expires_at.eq(answer.expires_at.unix_millis()),
    );
    let first_use = diesel::insert_into(used_passkey_challenges::table).values(used).on_conflict_do_nothing();
    // One that has expired may have been forgotten.
    if at >= answer.expires_at || first_use.execute(transaction)? == 0 {
        return stale_change(PreconditionFailed::AnswerSpent);
    }
    use_up(transaction, row, &answer.used, at)
}

/// Uses up what shows a factor. The user's row is locked.
pub(crate) fn use_up(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    used: &FactorUse,
    at: Timestamp,
) -> Result<(), OperationError> {
    let moved = match used {
        FactorUse::Totp { factor, step } => use_totp(transaction, row, *factor, *step, at)?,
        FactorUse::Webauthn { factor, sign_count, credential } => {
            use_webauthn(transaction, row, *factor, *sign_count, credential, at)?
        }
        FactorUse::Backup(code) => use_backup(transaction, row, *code, at)?,
        FactorUse::ImportedCode(code) => use_imported_code(transaction, row, code, at)?,
    };
    if moved == 1 { Ok(()) } else { stale_change(PreconditionFailed::AnswerSpent) }
}

/// Closes a challenge for good, if it can still be answered and the password that it followed still holds. Its charge
/// for this answer, which was right, is part of its count: so it may be one beyond the last failure that is allowed.
fn close(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    challenge: ChallengeId,
    at: Timestamp,
) -> Result<(), OperationError> {
    let open = challenges::table
        .find(challenge.0.as_bytes().as_slice())
        .filter(challenges::user_id.eq(row.id))
        .filter(challenges::credential_version.eq(row.credential_version))
        .filter(challenges::spent.eq(false))
        .filter(challenges::failures.le(i64::from(Challenge::MOST_FAILURES)))
        .filter(challenges::expires_at.gt(at.unix_millis()));
    match diesel::update(open).set(challenges::spent.eq(true)).execute(transaction)? {
        1 => Ok(()),
        _ => stale_change(PreconditionFailed::AnswerSpent),
    }
}

/// Closes the challenge of an enrolment. One that was begun with the password alone is outdated by the first factor:
/// begun since then, it would have asked for it.
fn close_offer(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    challenge: ChallengeId,
    at: Timestamp,
) -> Result<(), OperationError> {
    close(transaction, row, challenge, at)?;
    let closed = challenges::table.find(challenge.0.as_bytes().as_slice());
    if row.has_second_factor && !closed.select(challenges::factor_verified).get_result::<bool>(transaction)? {
        return stale_change(PreconditionFailed::AnswerSpent);
    }
    Ok(())
}

/// Moves the last used step on; returns how many rows that moved.
fn use_totp(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    factor: FactorId,
    step: i64,
    at: Timestamp,
) -> QueryResult<usize> {
    let unused = second_factors::table
        .find(factor.0.as_bytes().as_slice())
        .filter(second_factors::user_id.eq(row.id))
        .filter(second_factors::last_step.lt(step));
    let at = at.unix_millis();
    diesel::update(unused)
        .set((second_factors::last_step.eq(step), second_factors::used_at.eq(at), second_factors::updated_at.eq(at)))
        .execute(transaction)
}

/// What a key's counter may have been at most, given what it is now: where both are 0 the authenticator does not count.
pub(crate) fn latest_count(sign_count: u32) -> i64 {
    (i64::from(sign_count) - 1).max(0)
}

/// Moves the counter on; one that stays at 0 does not count.
fn use_webauthn(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    factor: FactorId,
    sign_count: u32,
    credential: &str,
    at: Timestamp,
) -> QueryResult<usize> {
    let named = second_factors::table
        .find(factor.0.as_bytes().as_slice())
        .filter(second_factors::user_id.eq(row.id))
        .filter(second_factors::sign_count.le(latest_count(sign_count)));
    let at = at.unix_millis();
    diesel::update(named)
        .set((
            second_factors::sign_count.eq(i64::from(sign_count)),
            second_factors::credential.eq(credential),
            second_factors::used_at.eq(at),
            second_factors::updated_at.eq(at),
        ))
        .execute(transaction)
}

fn use_backup(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    code: TokenDigest,
    at: Timestamp,
) -> QueryResult<usize> {
    let unspent = backup_codes::table
        .find(code.0.as_slice())
        .filter(backup_codes::user_id.eq(row.id))
        .filter(backup_codes::spent_at.is_null());
    diesel::update(unspent).set(backup_codes::spent_at.eq(at.unix_millis())).execute(transaction)
}

fn use_imported_code(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    code: &ImportedCode,
    at: Timestamp,
) -> QueryResult<usize> {
    let unspent = imported_codes::table
        .find(code.key())
        .filter(imported_codes::user_id.eq(row.id))
        .filter(imported_codes::spent_at.is_null());
    diesel::update(unspent).set(imported_codes::spent_at.eq(at.unix_millis())).execute(transaction)
}
