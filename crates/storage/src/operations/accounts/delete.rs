//! Deleting accounts.

use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::Invalidation;

use super::operations::throttle::budgets;
use super::operations::{UncheckedStatement, WriteTransaction};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::RecordedUser;
use crate::schema::{deleted_users, ended_generations, sessions_over_cap, users};

/// How many users one statement deletes at most: far fewer than there may be parameters.
const CHUNK: usize = 1_000;

/// Deletes those users of these ids, in ascending order and without repetition, that there are; returns how many
/// there were. From the commit on their sessions are nobody's; the rows are deleted later, however many there are, and
/// until then nobody gets such an id.
pub(crate) fn delete(
    transaction: &mut WriteTransaction<'_>,
    ids: &[i64],
    action: &ActionContext,
) -> Result<u64, OperationError> {
    transaction.leave_others_for(ids.len())?;
    let mut deleted = 0;
    for chunk in ids.chunks(CHUNK) {
        let rows = transaction.lock_users(chunk)?;
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        budgets::clear_all(transaction, &ids)?;
        let removed: Vec<_> = ids.iter().map(|id| deleted_users::user_id.eq(id)).collect();
        diesel::insert_into(deleted_users::table).values(removed).execute(transaction)?;
        let ends = ended_generations::table.filter(ended_generations::user_id.eq_any(&ids));
        diesel::delete(ends).execute(transaction)?;
        let noted = sessions_over_cap::table.filter(sessions_over_cap::user_id.eq_any(&ids));
        diesel::delete(noted).execute(transaction)?;
        let invalidated = ids.iter().map(|id| Invalidation::User(UserId::from_number(*id)));
        let delete = diesel::delete(users::table.filter(users::id.eq_any(&ids)));
        deleted += transaction.change_all(invalidated, delete)? as u64;
        let users = rows.into_iter().map(|row| (RecordedUser::from(&row), row.username));
        transaction.audit_users(action, AuditKind::AccountDeleted, users)?;
    }
    Ok(deleted)
}
