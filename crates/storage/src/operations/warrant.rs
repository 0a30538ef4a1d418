//! Warrants: whether the word that something is done on still holds, judged and spent in its own transaction.

use diesel::prelude::*;
use thunderhead_domain::audit::{AuditKind, Deed};
use thunderhead_domain::budget::BudgetKey;
use thunderhead_domain::challenge::{Challenge, ChallengeId};
use thunderhead_domain::factor::{FactorId, FactorUse, RightAnswer};
use thunderhead_domain::id::UserId;
use thunderhead_domain::judgement::StaffFactor;
use thunderhead_domain::ports::Concern;
use thunderhead_domain::session::{Authentication, Method, TokenDigest, prove};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::warrant::{Evidence, Lapse, Refusal, Terms, Warrant};

use super::super::lock_users;
use super::{Connection, audit, budgets, live};
use crate::fault::{Failure, Impossible};
use crate::rows::UserRow;
use crate::schema::{backup_codes, challenges, second_factors, sessions};
use crate::{text, touched};

/// Makes sure that a warrant holds, and spends what it brings. The rows of who asks and of those `concerned` are
/// locked first, all at once and in the order of their ids: no two who do this wait for each other.
pub(super) fn honour(connection: &mut Connection, warrant: &Warrant, concerned: &[UserId]) -> Result<(), Failure> {
    let Some(terms) = &warrant.terms else { return Ok(()) };
    let mut ids: Vec<i64> = concerned.iter().chain([&terms.user]).map(|user| user.number()).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = lock_users(connection, &ids)?;
    let Some(row) = rows.into_iter().find(|row| row.id == terms.user.number()) else {
        return overtaken(Lapse::SessionEnded);
    };
    let at = warrant.deed.at;
    check_standing(connection, terms, &row, at)?;
    let shown = match &terms.evidence {
        Evidence::Nothing => return Ok(()),
        Evidence::Password(version) if *version == row.credential_version => Method::Password,
        Evidence::Password(_) => return overtaken(Lapse::PasswordChanged),
        Evidence::Answer(answer) => {
            spend(connection, &row, answer, at)?;
            answer.used.method()
        }
        // To show a new factor is no reverification: it leaves the failure budget alone. Which it is the change knows.
        Evidence::Enrolment(challenge) => return close_offer(connection, &row, *challenge, at),
    };
    prove_session(connection, terms, shown, &warrant.deed)?;
    Ok(budgets::clear(connection, &BudgetKey::Session(terms.user, terms.session))?)
}

fn overtaken<T>(lapse: Lapse) -> Result<T, Failure> {
    Err(Refusal::Overtaken(lapse).into())
}

/// Adds to what the session rests on that asks: something was shown in it. That a second factor was for the first time
/// is recorded. The user's row is locked.
pub(super) fn prove_session(
    connection: &mut Connection,
    terms: &Terms,
    method: Method,
    deed: &Deed,
) -> Result<(), Failure> {
    let session = sessions::table.find(terms.session.0.as_bytes().as_slice());
    let known: Option<String> = session.select(sessions::authentications).get_result(connection).optional()?;
    let Some(known) = known else { return overtaken(Lapse::SessionEnded) };
    let mut authentications = text::authentications(&known)?;
    let is_step_up = method.is_second_factor() && !authentications.iter().any(|shown| shown.method.is_second_factor());
    prove(&mut authentications, Authentication { method, at: deed.at });
    let change = (
        sessions::authentications.eq(text::authentications_text(&authentications)),
        sessions::updated_at.eq(deed.at.unix_millis()),
    );
    diesel::update(session).set(change).execute(connection)?;
    touched::note(Concern::User(terms.user));
    if is_step_up {
        audit::record_session(connection, deed, AuditKind::SessionRaised, (terms.user, terms.session), None)?;
    }
    Ok(())
}

/// Whether who asks may still ask.
fn check_standing(connection: &mut Connection, terms: &Terms, row: &UserRow, at: Timestamp) -> Result<(), Failure> {
    if row.banned_at.is_some() {
        return overtaken(Lapse::Banned);
    }
    let session = live::live(terms.user, at)
        .filter(sessions::uuid.eq(terms.session.0.as_bytes().as_slice()))
        .filter(sessions::factor_owed.eq(false));
    let live: Option<String> = session.select(sessions::authentications).get_result(connection).optional()?;
    let Some(authentications) = live else { return overtaken(Lapse::SessionEnded) };
    match terms.staff {
        Some(_) if !row.staff => overtaken(Lapse::NotStaff),
        Some(StaffFactor::Required) if !(row.has_second_factor && shows_a_factor(&authentications)?) => {
            overtaken(Lapse::StaffFactorMissing)
        }
        Some(StaffFactor::Required | StaffFactor::Waived) | None => Ok(()),
    }
}

fn shows_a_factor(authentications: &str) -> Result<bool, Impossible> {
    Ok(text::authentications(authentications)?.iter().any(|shown| shown.method.is_second_factor()))
}

/// Spends a right answer with its challenge. The user's row is locked.
pub(super) fn spend(
    connection: &mut Connection,
    row: &UserRow,
    answer: &RightAnswer,
    at: Timestamp,
) -> Result<(), Failure> {
    close(connection, row, answer.challenge, at)?;
    use_up(connection, row, &answer.used, at)
}

/// Uses up what shows a factor. The user's row is locked.
pub(super) fn use_up(
    connection: &mut Connection,
    row: &UserRow,
    used: &FactorUse,
    at: Timestamp,
) -> Result<(), Failure> {
    let moved = match used {
        FactorUse::Totp { factor, step } => use_totp(connection, row, *factor, *step, at)?,
        FactorUse::Webauthn { factor, sign_count, credential } => {
            use_webauthn(connection, row, *factor, *sign_count, credential, at)?
        }
        FactorUse::Backup(code) => use_backup(connection, row, *code, at)?,
    };
    if moved == 1 { Ok(()) } else { overtaken(Lapse::AnswerSpent) }
}

/// Closes a challenge for good, if it can still be answered and the password that it followed still holds. Its charge
/// for this answer, which was right, is part of its count: so it may be one beyond the last failure that is allowed.
fn close(connection: &mut Connection, row: &UserRow, challenge: ChallengeId, at: Timestamp) -> Result<(), Failure> {
    let open = challenges::table
        .find(challenge.0.as_bytes().as_slice())
        .filter(challenges::user_id.eq(row.id))
        .filter(challenges::credential_version.eq(row.credential_version))
        .filter(challenges::spent.eq(false))
        .filter(challenges::failures.le(i64::from(Challenge::MOST_FAILURES)))
        .filter(challenges::expires_at.gt(at.unix_millis()));
    match diesel::update(open).set(challenges::spent.eq(true)).execute(connection)? {
        1 => Ok(()),
        _ => overtaken(Lapse::AnswerSpent),
    }
}

/// Closes the challenge of an enrolment. One that was begun with the password alone is outdated by the first factor:
/// begun since then, it would have asked for it.
fn close_offer(
    connection: &mut Connection,
    row: &UserRow,
    challenge: ChallengeId,
    at: Timestamp,
) -> Result<(), Failure> {
    close(connection, row, challenge, at)?;
    let closed = challenges::table.find(challenge.0.as_bytes().as_slice());
    if row.has_second_factor && !closed.select(challenges::factor_shown).get_result::<bool>(connection)? {
        return overtaken(Lapse::AnswerSpent);
    }
    Ok(())
}

/// Moves the last used step on; returns how many rows that moved.
fn use_totp(
    connection: &mut Connection,
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
        .execute(connection)
}

/// Moves the counter on; one that stays at 0 does not count.
fn use_webauthn(
    connection: &mut Connection,
    row: &UserRow,
    factor: FactorId,
    sign_count: u32,
    credential: &str,
    at: Timestamp,
) -> QueryResult<usize> {
    let sign_count = i64::from(sign_count);
    // Where both are 0 the authenticator does not count.
    let latest = (sign_count - 1).max(0);
    let named = second_factors::table
        .find(factor.0.as_bytes().as_slice())
        .filter(second_factors::user_id.eq(row.id))
        .filter(second_factors::sign_count.le(latest));
    let at = at.unix_millis();
    diesel::update(named)
        .set((
            second_factors::sign_count.eq(sign_count),
            second_factors::credential.eq(credential),
            second_factors::used_at.eq(at),
            second_factors::updated_at.eq(at),
        ))
        .execute(connection)
}

fn use_backup(connection: &mut Connection, row: &UserRow, code: TokenDigest, at: Timestamp) -> QueryResult<usize> {
    let unspent = backup_codes::table
        .find(code.0.as_slice())
        .filter(backup_codes::user_id.eq(row.id))
        .filter(backup_codes::spent_at.is_null());
    diesel::update(unspent).set(backup_codes::spent_at.eq(at.unix_millis())).execute(connection)
}
