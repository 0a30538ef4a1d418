//! Lists of sessions, page by page: the place where a page begins stands in its address.

use maud::{Markup, html};
use thunderhead_domain::ports::{PageStart, SessionCursor};
use thunderhead_domain::session::Session;

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
        Self { after: call.query("after").and_then(|text| text.parse().ok()) }
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
                    @if let Some(next) = next { a rel="next" href={ (list) "?after=" (next) } { "Older" } }
                }
            }
        }
    }
}
