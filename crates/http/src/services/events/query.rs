//! What a reader of the feed asks for. What is not understood is refused: who misspells where to go on would be told
//! everything once more.

use std::str::FromStr;
use std::time::Duration;

use thunderhead_domain::event::{EventCursor, EventTypes};

/// How many events are told where nobody says how many.
pub(in crate::services) const DEFAULT_LIMIT: u32 = 100;
/// How many are told at once.
pub(in crate::services) const MOST: u32 = 1_000;
/// How long a reader may wait, in seconds.
pub(in crate::services) const LONGEST_WAIT: u64 = 60;
/// Where a reader begins who wants to know what happens from now on.
const LATEST: &str = "latest";

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FeedStart {
    /// With the first event that is kept.
    First,
    After(EventCursor),
    /// With what is committed from now on.
    Latest,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventQuery {
    pub(super) after: FeedStart,
    pub(super) types: EventTypes,
    pub(super) limit: u32,
    /// How long to wait for events where there are none.
    pub(super) wait: Option<Duration>,
}

impl EventQuery {
    /// Reads a query, without its question mark.
    pub(super) fn parse(query: &str) -> Option<Self> {
        let (mut after, mut types, mut limit, mut wait) = (None, None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "after" => once(&mut after, start(&value)?)?,
                "types" => once(&mut types, value.parse().ok()?)?,
                "limit" => once(&mut limit, number(&value).filter(|limit| (1..=MOST).contains(limit))?)?,
                "wait" => once(&mut wait, number(&value).filter(|seconds| *seconds <= LONGEST_WAIT)?)?,
                _ => return None,
            }
        }
        Some(Self {
            after: after.unwrap_or(FeedStart::First),
            types: types.unwrap_or(EventTypes::ALL),
            limit: limit.unwrap_or(DEFAULT_LIMIT),
            wait: wait.filter(|seconds| *seconds > 0).map(Duration::from_secs),
        })
    }
}

/// Takes a value, if it is the first.
fn once<T>(taken: &mut Option<T>, value: T) -> Option<()> {
    taken.is_none().then(|| *taken = Some(value))
}

fn start(text: &str) -> Option<FeedStart> {
    if text == LATEST { Some(FeedStart::Latest) } else { text.parse().ok().map(FeedStart::After) }
}

/// Decimal digits and nothing else.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_may_leave_out_everything() {
        let all = EventQuery { after: FeedStart::First, types: EventTypes::ALL, limit: 100, wait: None };
        assert_eq!(EventQuery::parse(""), Some(all));
        let query = EventQuery::parse("after=7-000000000000000a&types=session.*%2Cuser.banned&limit=1000").unwrap();
        assert_eq!(query.after, FeedStart::After(EventCursor { number: 7, nonce: 10 }));
        assert_eq!((query.types.to_string().split(',').count(), query.limit), (5, 1_000));
        assert_eq!(EventQuery::parse("wait=60").unwrap().wait, Some(Duration::from_secs(60)));
        assert_eq!(EventQuery::parse("wait=0").unwrap().wait, None);
        assert_eq!(EventQuery::parse("after=latest").unwrap().after, FeedStart::Latest);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for query in [
            "afer=7-000000000000000a",
            "after=",
            "after=7",
            "after=latest&after=latest",
            "types=",
            "types=session",
            "types=session.*,",
            "limit=",
            "limit=0",
            "limit=1001",
            "limit=+1",
            "limit=-1",
            "limit=1.5",
            "limit=99999999999999999999",
            "limit=1&limit=1",
            "wait=61",
            "wait=-1",
            "wait=",
        ] {
            assert_eq!(EventQuery::parse(query), None, "{query}");
        }
    }
}
