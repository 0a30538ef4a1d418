//! The words for what sessions and audit records hold: those that the database has too, for operators see both.

use thunderhead_domain::id::UserId;
use thunderhead_domain::session::{Actor, Dialect, EndReason, Method, SessionStatus};

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

/// Why a session ended.
pub(super) const fn end_reason(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Revoked => "revoked",
        EndReason::RevokedByStaff => "revoked_by_staff",
        EndReason::Banned => "banned",
        EndReason::PasswordChanged => "password_changed",
        EndReason::StaffChanged => "staff_changed",
        EndReason::Operator => "operator",
        EndReason::Cap => "cap",
    }
}

/// The API that a session was made with.
pub(super) const fn dialect(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Current => "current",
        Dialect::Legacy => "legacy",
        Dialect::Kratos => "kratos",
    }
}

/// How somebody proved who they are.
pub(super) const fn method(method: Method) -> &'static str {
    match method {
        Method::Password => "password",
        Method::Totp => "totp",
        Method::Webauthn => "webauthn",
        Method::LookupSecret => "lookup_secret",
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
