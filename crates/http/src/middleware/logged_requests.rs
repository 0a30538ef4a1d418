//! Which answered requests leave a line in the log.

use std::time::Duration;

use actix_web::http::StatusCode;

/// What counts as slow: a third of the time that requests wait for the database by default, so that one which gets slow
/// shows before requests fail of it. An ordinary read takes a hundredth.
const SLOW: Duration = Duration::from_millis(500);

/// Which requests are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggedRequests {
    /// Each of them.
    All,
    /// Those that may have changed something, those that failed, and slow ones: not what was read without ado.
    ChangesAndFailures,
    /// None.
    Off,
}

impl LoggedRequests {
    /// Whether one is logged that was a read, or not, and got this answer.
    pub(crate) fn include(self, only_reads: bool, status: StatusCode, duration: Duration) -> bool {
        match self {
            Self::All => true,
            Self::ChangesAndFailures => {
                !only_reads || status.is_client_error() || status.is_server_error() || duration >= SLOW
            }
            Self::Off => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_but_a_successful_read_is_logged_and_slow_ones_always() {
        let (quick, slow) = (SLOW - Duration::from_millis(1), SLOW);
        let include = |only_reads, status: u16, duration| {
            let status = StatusCode::from_u16(status).unwrap();
            let [all, some, off] = [LoggedRequests::All, LoggedRequests::ChangesAndFailures, LoggedRequests::Off]
                .map(|logged| logged.include(only_reads, status, duration));
            assert!(all && !off);
            some
        };
        for read_well in [200, 204, 302, 304] {
            assert!(
                !include(true, read_well, quick) && include(true, read_well, slow) && include(false, read_well, quick)
            );
        }
        for failed in [400, 401, 404, 429, 500, 503] {
            assert!(include(true, failed, quick) && include(false, failed, quick));
        }
    }
}
