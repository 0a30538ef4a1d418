//! The feed of events ([`event`](crate::event)): records of the audit trail, numbered in the order of their commits.

use async_trait::async_trait;

use crate::event::{Event, EventCursor, EventTypes};
use crate::ports::Stored;

/// How far the feed has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedStatus {
    /// The place before the first event that is kept.
    pub first: EventCursor,
    /// The place of the latest event that has a number.
    pub latest: EventCursor,
    /// Whether something was committed that has none yet.
    pub pending: bool,
}

/// What is asked of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedQuery {
    /// The events after this place; all that are kept, where there is none.
    pub after: Option<EventCursor>,
    /// Of these types.
    pub types: EventTypes,
    /// At most so many.
    pub limit: u32,
    /// Whether personal data are wanted.
    pub personal: bool,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedPage {
    /// Some events, which may be few, or none, because no more was looked at.
    Page {
        /// Them, in order.
        items: Vec<Event>,
        /// The place up to which was looked: where to go on.
        next: EventCursor,
        /// Whether there is more behind that place.
        more: bool,
    },
    /// The place is of another history of the database – a backup was restored, or a standby took over that did not have
    /// all of it – or what came after it is not kept any more.
    Gone {
        /// The place before the first event that is kept.
        first: EventCursor,
    },
}

/// The feed. Changes leave their events by themselves, but without a number: numbers follow commits.
#[async_trait]
pub trait Feed: Send + Sync {
    /// How far it has come.
    async fn feed_status(&self) -> Stored<FeedStatus>;

    /// Numbers some of what was committed and has no number yet, without gaps, whoever else does so at the same time;
    /// returns how many, 0 when there is nothing left.
    async fn feed_number(&self) -> Stored<u64>;

    /// The numbered events after a place.
    async fn feed_page(&self, query: FeedQuery) -> Stored<FeedPage>;
}
