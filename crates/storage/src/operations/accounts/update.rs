//! Changing accounts. Each change has its authorization verified, locks the user's row, writes nothing where nothing
//! changes, and leaves its record in the same transaction.

use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel::select;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::change_authorization::{ChangeAuthorization, Refusal};
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{AccountUpdate, Invalidation};
use thunderhead_domain::session::EndReason;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{EmailAddress, PasswordHash, User, Username};

use super::operations::change_authorization::verify_and_lock;
use super::operations::factors;
use super::operations::sessions::revoke::{self, Tally};
use super::operations::throttle::budgets;
use super::operations::{Query, WriteTransaction};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::UserRow;
use crate::schema::users;
use crate::unreadable::read;

pub(crate) fn rename(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    name: &Username,
    authorization: &ChangeAuthorization,
) -> Result<User, OperationError> {
    let mut row = verify_and_lock(transaction, user, authorization)?;
    if row.username == name.as_str() {
        return Ok(row.try_into()?);
    }
    let action = &authorization.action;
    let others = users::table.filter(users::username_key.eq(name.key()).and(users::id.ne(row.id)));
    if select(diesel::dsl::exists(others)).get_result(transaction)? {
        return Err(Refusal::Taken.into());
    }
    let change = (users::username.eq(name.as_str()), users::username_key.eq(name.key()));
    let change = diesel::update(users::table.find(row.id)).set((change, users::updated_at.eq(action.at.unix_millis())));
    if !unless_taken(transaction, |transaction| transaction.change(Invalidation::User(user), change))? {
        return Err(Refusal::Taken.into());
    }
    let names = format!("{} → {name}", row.username);
    transaction.audit(action, AuditKind::AccountRenamed, &row, Some(names))?;
    name.as_str().clone_into(&mut row.username);
    row.updated_at = action.at.unix_millis();
    Ok(row.try_into()?)
}

/// Gives a user another address, which is then not verified. The record does not repeat it: it is personal.
pub(crate) fn readdress(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    email: &EmailAddress,
    authorization: &ChangeAuthorization,
) -> Result<User, OperationError> {
    let mut row = verify_and_lock(transaction, user, authorization)?;
    if row.email == email.as_str() {
        return Ok(row.try_into()?);
    }
    let action = &authorization.action;
    let others = users::table.filter(users::email_key.eq(email.key()).and(users::id.ne(row.id)));
    if select(diesel::dsl::exists(others)).get_result(transaction)? {
        return Err(Refusal::Taken.into());
    }
    let change = (
        users::email.eq(email.as_str()),
        users::email_key.eq(email.key()),
        users::verified_at.eq(None::<i64>),
        users::updated_at.eq(action.at.unix_millis()),
    );
    let change = diesel::update(users::table.find(row.id)).set(change);
    if !unless_taken(transaction, |transaction| transaction.change(Invalidation::User(user), change))? {
        return Err(Refusal::Taken.into());
    }
    transaction.audit(action, AuditKind::EmailChanged, user, None)?;
    email.as_str().clone_into(&mut row.email);
    row.verified_at = None;
    row.updated_at = action.at.unix_millis();
    Ok(row.try_into()?)
}

/// Sets a user's password: what was opened with the old one is ended, but for the session that asks.
pub(crate) fn set_password(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    hash: &PasswordHash,
    authorization: &ChangeAuthorization,
    tally: Tally,
) -> Result<AccountUpdate, OperationError> {
    let row = verify_and_lock(transaction, user, authorization)?;
    let keep = authorization.preconditions.as_ref().map(|preconditions| preconditions.session);
    replace_password(transaction, row, NewCredential::Password(hash), keep, &authorization.action, tally)
}

/// Takes a user's password away.
pub(crate) fn remove_password(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    nobodys: &PasswordHash,
    authorization: &ChangeAuthorization,
    tally: Tally,
) -> Result<AccountUpdate, OperationError> {
    let row = verify_and_lock(transaction, user, authorization)?;
    if !row.has_password {
        return Ok(AccountUpdate { user: shown(row), sessions_ended: 0 });
    }
    if !factors::suffice_without_password(transaction, user)? {
        return Err(Refusal::PasskeysMissing.into());
    }
    let keep = authorization.preconditions.as_ref().map(|preconditions| preconditions.session);
    replace_password(transaction, row, NewCredential::Nothing(nobodys), keep, &authorization.action, tally)
}

/// What stands in the place of a password that was.
pub(crate) enum NewCredential<'a> {
    Password(&'a PasswordHash),
    /// None, and the hash of one that nobody knows.
    Nothing(&'a PasswordHash),
}

/// Sets the password of a user whose row is locked, or takes it away: what was opened with the old one is ended, but for a
/// session that is to stay.
pub(crate) fn replace_password(
    transaction: &mut WriteTransaction<'_>,
    mut row: UserRow,
    credential: NewCredential<'_>,
    keep: Option<SessionUuid>,
    action: &ActionContext,
    tally: Tally,
) -> Result<AccountUpdate, OperationError> {
    let user = UserId::from_number(row.id);
    row.updated_at = action.at.unix_millis();
    let (hash, detail) = match credential {
        NewCredential::Password(hash) => (hash, None),
        NewCredential::Nothing(hash) => (hash, Some("removed".to_owned())),
    };
    row.has_password = detail.is_none();
    let change = (
        users::password_hash.eq(hash.expose()),
        users::has_password.eq(row.has_password),
        users::credential_version.eq(row.credential_version + 1),
        users::updated_at.eq(row.updated_at),
    );
    transaction.change(Invalidation::User(user), diesel::update(users::table.find(row.id)).set(change))?;
    transaction.audit(action, AuditKind::PasswordChanged, &row, detail)?;
    let why = EndReason::PasswordChanged;
    let sessions_ended = match keep {
        Some(session) => revoke::others(transaction, &row, session, why, action, tally)?,
        None => revoke::all(transaction, &row, why, action, tally)?,
    };
    budgets::clear_all(transaction, &[row.id])?;
    Ok(AccountUpdate { user: shown(row), sessions_ended })
}

/// Says whether a user's address was found to be theirs.
pub(crate) fn set_verified(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    verified: bool,
    authorization: &ChangeAuthorization,
) -> Result<User, OperationError> {
    let mut row = verify_and_lock(transaction, user, authorization)?;
    let action = &authorization.action;
    if row.verified_at.is_some() != verified {
        row.verified_at = verified.then_some(action.at.unix_millis());
        save(transaction, &mut row, action.at)?;
        let kind = if verified { AuditKind::AccountVerified } else { AuditKind::AccountUnverified };
        transaction.audit(action, kind, user, None)?;
    }
    Ok(row.try_into()?)
}

/// Bans a user and ends all their sessions.
pub(crate) fn ban(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    reason: Option<&str>,
    authorization: &ChangeAuthorization,
    tally: Tally,
) -> Result<AccountUpdate, OperationError> {
    let mut row = verify_and_lock(transaction, user, authorization)?;
    let action = &authorization.action;
    if row.banned_at.is_none() {
        row.banned_at = Some(action.at.unix_millis());
        save(transaction, &mut row, action.at)?;
        transaction.audit(action, AuditKind::AccountBanned, &row, reason.map(str::to_owned))?;
    }
    let sessions_ended = revoke::all(transaction, &row, EndReason::Banned, action, tally)?;
    Ok(AccountUpdate { user: shown(row), sessions_ended })
}

pub(crate) fn unban(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    authorization: &ChangeAuthorization,
) -> Result<Option<User>, OperationError> {
    let mut row = verify_and_lock(transaction, user, authorization)?;
    let action = &authorization.action;
    if row.banned_at.is_some() {
        row.banned_at = None;
        save(transaction, &mut row, action.at)?;
        transaction.audit(action, AuditKind::AccountUnbanned, &row, None)?;
    }
    Ok(shown(row))
}

/// Makes a user staff, which ends all their sessions: none of them was opened by staff. Or makes them no longer staff,
/// which ends what was opened with staff scopes.
pub(crate) fn set_staff(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    staff: bool,
    authorization: &ChangeAuthorization,
    tally: Tally,
) -> Result<Option<User>, OperationError> {
    let mut row = verify_and_lock(transaction, user, authorization)?;
    let action = &authorization.action;
    if staff && authorization.preconditions.is_some() && !row.has_second_factor {
        return Err(Refusal::FactorMissing.into());
    }
    if row.staff != staff {
        row.staff = staff;
        save(transaction, &mut row, action.at)?;
        let kind = if staff { AuditKind::StaffGranted } else { AuditKind::StaffRevoked };
        transaction.audit(action, kind, &row, None)?;
        let why = EndReason::StaffChanged;
        let _ended = match staff {
            true => revoke::all(transaction, &row, why, action, tally)?,
            false => revoke::with_staff_scopes(transaction, &row, why, action, tally)?,
        };
    }
    Ok(shown(row))
}

/// The user after a change that stands whether or not their row can be read.
fn shown(row: UserRow) -> Option<User> {
    read(row).ok()
}

/// Runs a change of something unique; `false` if somebody else has got it since it was searched for. The change
/// is a transaction within the transaction, so that only it is undone.
fn unless_taken(
    transaction: &mut WriteTransaction<'_>,
    change: impl FnOnce(&mut WriteTransaction<'_>) -> QueryResult<usize>,
) -> QueryResult<bool> {
    match transaction.savepoint(change) {
        Ok(_) => Ok(true),
        Err(QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(false),
        Err(other) => Err(other),
    }
}

/// Writes what has changed of a locked user, at this moment.
fn save(transaction: &mut WriteTransaction<'_>, row: &mut UserRow, at: Timestamp) -> QueryResult<()> {
    row.updated_at = at.unix_millis();
    let change = (
        users::staff.eq(row.staff),
        users::verified_at.eq(row.verified_at),
        users::banned_at.eq(row.banned_at),
        users::updated_at.eq(row.updated_at),
    );
    let user = UserId::from_number(row.id);
    transaction.change(Invalidation::User(user), diesel::update(users::table.find(row.id)).set(change)).map(drop)
}
