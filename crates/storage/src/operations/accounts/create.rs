//! Making accounts.

use diesel::dsl::exists;
use diesel::select;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::id::UserId;
use thunderhead_domain::user::{NewAccount, User};

use super::operations::transaction::unseen::UserInsert;
use super::operations::{Query, ReadConnection, WriteTransaction};
use crate::dsl::*;
use crate::error::{DataError, OperationError};
use crate::rows::{NewUserRow, UserRow};
use crate::schema::users;

/// How many ids are read in one query for a free one.
const CHUNK: i64 = 1_000;
/// How often another process may take the id that was found free, before something else must be wrong.
const ATTEMPTS: u32 = 1_000;

/// Inserts a user; `None` if the name or the address is taken. A conflict does not abort the transaction, so
/// the next id can be tried in it.
pub(crate) fn insert(
    transaction: &mut WriteTransaction<'_>,
    account: &NewAccount,
) -> Result<Option<UserRow>, OperationError> {
    insert_row(transaction, NewUserRow::new(account))
}

/// The same of a row, whose id is the first to be tried.
pub(crate) fn insert_row(
    transaction: &mut WriteTransaction<'_>,
    mut row: NewUserRow,
) -> Result<Option<UserRow>, OperationError> {
    for _ in 0..ATTEMPTS {
        match transaction.insert_user(&row)? {
            UserInsert::Done => return Ok(Some(row.into())),
            UserInsert::IdOfDeleted => {
                row.id += 1;
                continue;
            }
            UserInsert::Taken => {}
        }
        let same_name = users::username_key.eq(&row.username_key).or(users::email_key.eq(&row.email_key));
        if select(exists(users::table.filter(same_name))).get_result(transaction)? {
            return Ok(None);
        }
        row.id = first_free_id(transaction, UserId::from_number(row.id))?.number();
    }
    Err(DataError::NoFreeId.into())
}

/// The first id from `start` on that nobody has.
fn first_free_id(connection: &mut ReadConnection<'_>, start: UserId) -> QueryResult<UserId> {
    let mut candidate = start.number();
    loop {
        let taken: Vec<i64> = users::table
            .filter(users::id.ge(candidate))
            .order(users::id.asc())
            .limit(CHUNK)
            .select(users::id)
            .load(connection)?;
        let run = (candidate..).zip(&taken).take_while(|(expected, id)| expected == *id).count();
        candidate = candidate.saturating_add_unsigned(run as u64);
        if run < taken.len() || taken.is_empty() || taken.len() < CHUNK as usize {
            return Ok(UserId::from_number(candidate));
        }
    }
}

/// Records a new account, and that it is staff from the start where it is.
pub(crate) fn record(transaction: &mut WriteTransaction<'_>, user: &User, action: &ActionContext) -> QueryResult<()> {
    transaction.audit(action, AuditKind::AccountCreated, user, None)?;
    if user.staff {
        transaction.audit(action, AuditKind::StaffGranted, user, None)?;
    }
    Ok(())
}
