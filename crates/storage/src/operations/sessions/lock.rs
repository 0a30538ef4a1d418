//! The lock under which a user's sessions change.

use thunderhead_domain::id::UserId;

use super::operations::WriteTransaction;
use crate::dsl::*;
use crate::rows::UserRow;
use crate::schema::users;

/// Locks the user's row until the transaction ends, and counts the change of their sessions that is about to follow: so
/// that it can be told whether a count of them still holds.
pub(crate) fn lock_for_change(transaction: &mut WriteTransaction<'_>, user: UserId) -> QueryResult<Option<UserRow>> {
    let counted = diesel::update(users::table.find(user.number()))
        .set(users::session_changes.eq(users::session_changes + 1))
        .returning(UserRow::as_returning());
    Ok(transaction.change_unseen_returning(counted)?.pop())
}
