//! Passes of sessions.

use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::Invalidation;
use thunderhead_domain::session::TokenDigest;
use thunderhead_domain::time::Timestamp;

use super::operations::{WriteTransaction, live_sessions};
use crate::dsl::*;
use crate::schema::sessions;

/// Gives a live full session a pass, in place of the one that it may have; `false` where there is none that is live.
pub(crate) fn set(
    transaction: &mut WriteTransaction<'_>,
    session: SessionUuid,
    user: UserId,
    pass: TokenDigest,
    now: Timestamp,
) -> QueryResult<bool> {
    let live = live_sessions::of_user(user, transaction.lasting_in_use(user, now)?)
        .filter(sessions::uuid.eq(session.0.as_bytes().as_slice()))
        .filter(sessions::permission_flags.is_null())
        .filter(sessions::second_factor_pending.eq(false));
    let change = diesel::update(live).set(sessions::pass_digest.eq(pass.0.as_slice()));
    // Whoever is told of the session by the pass before must not be any longer.
    Ok(transaction.change(Invalidation::User(user), change)? > 0)
}
