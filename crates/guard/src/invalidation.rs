//! What the feed has said since: whether an answer still holds.
//!
//! Nothing is looked for and thrown away. An answer is true *as of* all events that were known before it was asked for, and
//! holds only while none that was learnt later concerns its session, its user or everybody. So it makes no difference whether
//! an answer was kept before the event came, or is on its way while it comes.
//!
//! Of each event the latest number is kept, in a table of fixed size by a hash of whom it concerns: those who share a place
//! are asked about once too often, and memory does not grow.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use thunderhead_domain::id::{SessionUuid, UserId};
use tokio::sync::Notify;

use crate::answer::Concern;
use crate::session::LiveSession;

/// Places of sessions, and of users.
const PLACES: usize = 1 << 14;
/// Places where somebody may wait for an event.
const BELLS: usize = 1 << 10;

/// How many events were known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AsOfEvent(u64);

pub(crate) struct FeedInvalidations {
    learnt: AtomicU64,
    everybody: AtomicU64,
    sessions: Places,
    users: Places,
    /// Held while something is learnt.
    learning: Mutex<()>,
}

struct Places {
    latest: Box<[AtomicU64]>,
    bells: Box<[Notify]>,
}

impl Places {
    fn new() -> Self {
        Self {
            latest: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            bells: (0..BELLS).map(|_| Notify::new()).collect(),
        }
    }

    fn ring_all(&self) {
        self.bells.iter().for_each(Notify::notify_waiters);
    }
}

/// Where a session is in the tables.
#[derive(Clone, Copy, Debug)]
struct Place {
    session: usize,
    user: usize,
}

/// Its bits are random.
fn place_of_session(uuid: SessionUuid) -> usize {
    let (high, low) = uuid.0.as_u64_pair();
    spread(high ^ low)
}

/// Multiplication by the golden ratio spreads ids that follow each other (Knuth, TAOCP 3, section 6.4).
fn spread(number: u64) -> usize {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50) as usize % PLACES
}

fn place_of_user(user: UserId) -> usize {
    spread(user.number() as u64)
}

impl Place {
    fn of(session: &LiveSession) -> Self {
        Self { session: place_of_session(session.uuid()), user: place_of_user(session.user()) }
    }
}

impl FeedInvalidations {
    pub(crate) fn new() -> Self {
        Self {
            learnt: AtomicU64::new(0),
            everybody: AtomicU64::new(0),
            sessions: Places::new(),
            users: Places::new(),
            learning: Mutex::default(),
        }
    }

    /// What is known now. Whoever asks the server reads this before.
    pub(crate) fn as_of(&self) -> AsOfEvent {
        AsOfEvent(self.learnt.load(Ordering::Acquire))
    }

    /// Whether nothing was learnt since that concerns this session.
    pub(crate) fn holds(&self, session: &LiveSession, as_of: AsOfEvent) -> bool {
        let place = Place::of(session);
        let latest = [&self.everybody, &self.sessions.latest[place.session], &self.users.latest[place.user]];
        latest.into_iter().all(|latest| latest.load(Ordering::Acquire) <= as_of.0)
    }

    pub(crate) fn learn(&self, concern: Concern) {
        let learning = self.learning.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.learnt.load(Ordering::Relaxed) + 1;
        let latest = match concern {
            Concern::Session(uuid) => &self.sessions.latest[place_of_session(uuid)],
            Concern::User(user) => &self.users.latest[place_of_user(user)],
            Concern::Everybody => &self.everybody,
        };
        // The mark before the number: who reads the number and then asks, asks after the event.
        latest.store(number, Ordering::Release);
        self.learnt.store(number, Ordering::Release);
        drop(learning);
        match concern {
            Concern::Session(uuid) => self.sessions.bells[place_of_session(uuid) % BELLS].notify_waiters(),
            Concern::User(user) => self.users.bells[place_of_user(user) % BELLS].notify_waiters(),
            Concern::Everybody => {
                self.sessions.ring_all();
                self.users.ring_all();
            }
        }
    }

    /// Waits until an answer does not hold any more.
    pub(crate) async fn changed(&self, session: &LiveSession, as_of: AsOfEvent) {
        let place = Place::of(session);
        loop {
            let mut of_session = pin!(self.sessions.bells[place.session % BELLS].notified());
            let mut of_user = pin!(self.users.bells[place.user % BELLS].notified());
            // First it listens, then it looks: nothing is missed in between.
            of_session.as_mut().enable();
            of_user.as_mut().enable();
            if !self.holds(session, as_of) {
                return;
            }
            either(of_session, of_user).await;
        }
    }
}

async fn either(mut one: Pin<&mut impl Future<Output = ()>>, mut other: Pin<&mut impl Future<Output = ()>>) {
    std::future::poll_fn(|context| {
        let (one, other) = (one.as_mut().poll(context), other.as_mut().poll(context));
        if one.is_ready() || other.is_ready() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::session;

    #[test]
    fn an_answer_holds_until_an_event_concerns_it_that_was_learnt_later() {
        let told = FeedInvalidations::new();
        let (mine, other) = (session("1700000000123", 1), session("1700000000123", 2));
        let strange = session("1700000000999", 3);
        let before = told.as_of();
        told.learn(Concern::Session(mine.uuid()));
        assert!(!told.holds(&mine, before));
        assert!(told.holds(&other, before) && told.holds(&strange, before));
        // Asked since.
        let since = told.as_of();
        assert!(told.holds(&mine, since));
        told.learn(Concern::User(mine.user()));
        assert!(!told.holds(&mine, since) && !told.holds(&other, since));
        assert!(told.holds(&strange, before));
        told.learn(Concern::Everybody);
        assert!(!told.holds(&strange, since));
        assert!(told.holds(&strange, told.as_of()));
    }

    #[test]
    fn neighbours_do_not_share_a_place() {
        let places: std::collections::HashSet<_> =
            (0..100).map(|step| place_of_user(UserId::from_number(1_700_000_000_000 + step))).collect();
        assert!(places.len() > 95, "{}", places.len());
    }
}
