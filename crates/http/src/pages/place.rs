//! Places in lists, as they stand in the addresses of their pages.

use thunderhead_domain::id::{SessionId, SessionUuid};
use thunderhead_domain::ports::SessionCursor;
use thunderhead_domain::time::Timestamp;

/// `1700000000000.1700000000.6f1d3b0e…`: when, which and which exactly.
pub(crate) fn place(cursor: &SessionCursor) -> String {
    format!("{}.{}.{}", cursor.created_at.unix_millis(), cursor.id, cursor.uuid)
}

pub(crate) fn cursor(text: &str) -> Option<SessionCursor> {
    let mut parts = text.splitn(3, '.');
    let created_at = Timestamp::from_unix_millis(parts.next()?.parse().ok()?);
    let id: SessionId = parts.next()?.parse().ok()?;
    let uuid = SessionUuid(parts.next()?.parse().ok()?);
    Some(SessionCursor { created_at, id, uuid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_list_is_read_as_it_was_written() {
        let uuid = SessionUuid(uuid::Uuid::from_u128(7));
        let created_at = Timestamp::from_unix_millis(1_700_000_000_123);
        let written = SessionCursor { created_at, id: SessionId::from_number(1_700_000_000), uuid };
        assert_eq!(cursor(&place(&written)), Some(written));
        for other in ["", "1", "1.2", "1.2.3", "x.1700000000.00000000-0000-0000-0000-000000000007"] {
            assert_eq!(cursor(other), None, "{other}");
        }
    }
}
