//! The words for what sessions hold: those that the database has too, for operators see both.

use thunderhead_domain::session::SessionStatus;

/// What a session is worth.
pub(super) const fn status(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Live => "live",
        SessionStatus::SecondFactorPending => "second_factor_pending",
        SessionStatus::Ended => "ended",
        SessionStatus::Expired => "expired",
    }
}
