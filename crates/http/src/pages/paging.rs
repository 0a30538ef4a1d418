//! Lists of sessions, page by page: the place where a page begins stands in its address.

use maud::{Markup, html};
use thunderhead_domain::id::{SessionId, SessionUuid};
use thunderhead_domain::ports::{PageStart, SessionCursor};
use thunderhead_domain::session::Session;
use thunderhead_domain::time::Timestamp;

use crate::access::call::Call;

/// Sessions of a page.
const PAGE: usize = 50;

/// The page of a list that an address asks for. A place that is none counts as absent.
pub(crate) struct ListPage {
    after: Option<SessionCursor>,
}

impl ListPage {
    /// How many sessions are read for a page: one more tells whether there are more.
    pub(crate) const READ: u32 = PAGE as u32 + 1;

    pub(crate) fn asked(call: &Call) -> Self {
        Self { after: call.query("after").as_deref().and_then(cursor) }
    }

    pub(crate) const fn is_first(&self) -> bool {
        self.after.is_none()
    }

    pub(crate) fn start(&self) -> PageStart {
        self.after.map_or(PageStart::Skip(0), PageStart::After)
    }

    /// Leaves what belongs on the page of what was read for it, and returns the ways to other pages of the list.
    pub(crate) fn cut(&self, sessions: &mut Vec<Session>, list: &str) -> Markup {
        let is_more = sessions.len() > PAGE;
        sessions.truncate(PAGE);
        let next = sessions.last().filter(|_| is_more).map(SessionCursor::from);
        html! {
            @if !self.is_first() || next.is_some() {
                nav.pager aria-label="Pages" {
                    @if !self.is_first() { a href=(list) { "Newest" } }
                    @if let Some(next) = next { a rel="next" href={ (list) "?after=" (place(&next)) } { "Older" } }
                }
            }
        }
    }
}

/// `1700000000000.1700000000.6f1d3b0e…`: when, which and which exactly.
pub(crate) fn place(cursor: &SessionCursor) -> String {
    format!("{}.{}.{}", cursor.created_at.unix_millis(), cursor.id, cursor.uuid)
}

/// The place of such a text.
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
        let before_1970 = SessionCursor { created_at: Timestamp::from_unix_millis(-7), ..written };
        assert_eq!(cursor(&place(&before_1970)), Some(before_1970));
        for other in [
            "",
            "1",
            "1.2",
            "1.2.3",
            "1.2.x",
            "x.1700000000.00000000-0000-0000-0000-000000000007",
            "1.2.00000000-0000-0000-0000-000000000007.1",
            "99999999999999999999.1.x",
        ] {
            assert_eq!(cursor(other), None, "{other}");
        }
    }
}
