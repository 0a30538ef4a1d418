//! The words for what sessions and audit records hold: those that the database has too, for operators see both.

use thunderhead_domain::id::UserId;
use thunderhead_domain::session::{Actor, SessionStatus};

/// The operator, as who did something.
pub(super) const COMMAND_LINE: &str = "command-line";
/// Somebody who has not shown who they are.
pub(super) const STRANGER: &str = "stranger";

/// Who did something: a user's id, or one of two words.
pub(super) fn actor(actor: Actor) -> String {
    match actor {
        Actor::User(user) => user.to_string(),
        Actor::CommandLine => COMMAND_LINE.to_owned(),
        Actor::Stranger => STRANGER.to_owned(),
    }
}

/// The user who did something, if it was one.
pub(super) const fn acting_user(actor: Actor) -> Option<UserId> {
    match actor {
        Actor::User(user) => Some(user),
        Actor::CommandLine | Actor::Stranger => None,
    }
}

/// What a session is worth.
pub(super) const fn status(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Live => "live",
        SessionStatus::SecondFactorPending => "second_factor_pending",
        SessionStatus::Ended => "ended",
        SessionStatus::Expired => "expired",
    }
}
