//! What a replica remembers of sessions, so that a request need not read them (`docs/ARCHITECTURE.md`, *Fast and never
//! stale*).
//!
//! Two things are remembered of a token, and they are of different natures. That its signature is good is a fact, which
//! stays true until the signing keys change. The session behind it, with its user, is true as of a change of the
//! database (its [`ChangeNumber`]), and holds as long as no later change concerns that user. Changes are learnt by
//! [`Memory::learn`], which names users, and never looks for their sessions: a session whose user has changed since is
//! found out when it is recalled. So one that was read before a change, and remembered after it, is found out too.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use thunderhead_domain::id::UserId;
use thunderhead_domain::judgement::Bearer;
use thunderhead_domain::ports::{ChangeMark, ChangeNumber, Concern, News};
use thunderhead_domain::session::{SessionKey, TokenDigest};
use thunderhead_domain::switch::SwitchSet;
use thunderhead_domain::time::Timestamp;

/// Users that are known to have changed. Beyond so many, all that was remembered before is forgotten instead.
const MOST_CHANGED: usize = 32_768;
/// What a session without any texts takes, in bytes, with its place in the cache and the heads of its allocations.
const SMALLEST: usize = SLOT + allocation(COUNTS + size_of::<Bearer>());
/// What a session takes in the cache, in bytes: its digest and itself, links, a part of the index, and room to grow.
const SLOT: usize = 128;
/// What is counted of something shared, in bytes.
const COUNTS: usize = 16;
/// The longest name or address that needs no allocation, in bytes.
const INLINE: usize = 23;

/// What is remembered of a token.
#[derive(Clone)]
pub(crate) struct Remembered {
    /// Its session and user.
    pub(crate) bearer: Arc<Bearer>,
    /// The signing keys that it was verified under.
    pub(crate) generation: u32,
    /// As of when session and user are true.
    pub(crate) as_of: AsOf,
}

/// A state of the database, as far as its changes tell: what was read when this was the latest that was known is true
/// as of it, or of a later one.
#[derive(Clone, Copy, Default)]
pub(crate) struct AsOf {
    /// How often everything has changed. Numbers of different eras cannot be compared: the database may be another one.
    era: u32,
    number: ChangeNumber,
}

impl Remembered {
    /// Where the token leads to.
    pub(crate) fn key(&self) -> SessionKey {
        SessionKey::Uuid(self.bearer.session.uuid, self.bearer.session.user)
    }

    /// The same, used at this moment.
    pub(crate) fn used_at(&self, now: Timestamp) -> Self {
        let mut bearer = Bearer::clone(&self.bearer);
        bearer.session.used_at = Some(now);
        Self { bearer: Arc::new(bearer), ..*self }
    }
}

/// What the system's allocator takes for so many bytes.
const fn allocation(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16) }
}

/// Weighs in bytes.
#[derive(Clone)]
struct Bytes;

impl Weighter<TokenDigest, Remembered> for Bytes {
    fn weight(&self, _: &TokenDigest, Remembered { bearer, .. }: &Remembered) -> u64 {
        let Bearer { session, user } = &**bearer;
        let texts = [session.name.as_str(), user.username.as_str(), user.email.as_str()];
        let texts = texts.iter().filter(|text| text.len() > INLINE).map(|text| allocation(COUNTS + text.len()));
        let user_agent = session.origin.user_agent.as_deref().map_or(0, |text| allocation(text.len()));
        let proofs = &session.authentications;
        let proofs = if proofs.spilled() { allocation(size_of_val(&**proofs)) } else { 0 };
        (SMALLEST + texts.sum::<usize>() + user_agent + proofs) as u64
    }
}

/// What is known of changes.
#[derive(Default)]
struct Known {
    latest: AsOf,
    /// The mark of the latest change.
    mark: i64,
    /// Users who have changed in this era, with their latest change.
    changed: HashMap<UserId, ChangeNumber>,
    /// The switches, until they change.
    switches: Option<SwitchSet>,
    /// The latest change of the switches in this era.
    switched: ChangeNumber,
}

/// The sessions of this replica's recent requests, by the digests of their tokens.
pub(crate) struct Memory {
    sessions: Cache<TokenDigest, Remembered, Bytes>,
    known: RwLock<Known>,
}

impl Memory {
    /// A memory of so many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        Self { sessions: Cache::with_weighter(bytes as usize / SMALLEST, bytes, Bytes), known: RwLock::default() }
    }

    /// As of when what is read from now on is true, at least.
    pub(crate) fn latest(&self) -> AsOf {
        self.known().latest
    }

    /// The latest change that is known.
    pub(crate) fn latest_change(&self) -> ChangeMark {
        let known = self.known();
        ChangeMark { number: known.latest.number, mark: known.mark }
    }

    /// What was remembered of a token, whether or not it still holds.
    pub(crate) fn recall(&self, token: &TokenDigest) -> Option<Remembered> {
        self.sessions.get(token)
    }

    /// The switches, where no known change concerns the session, its user, or them.
    pub(crate) fn switches_if_holds(&self, remembered: &Remembered) -> Option<SwitchSet> {
        let known = self.known();
        let changed = known.changed.get(&remembered.bearer.user.id);
        let as_of = remembered.as_of;
        let holds = as_of.era == known.latest.era && changed.is_none_or(|changed| *changed <= as_of.number);
        known.switches.filter(|_| holds)
    }

    /// The switches, where no known change concerns them.
    pub(crate) fn switches(&self) -> Option<SwitchSet> {
        self.known().switches
    }

    /// Remembers what was read of the switches.
    pub(crate) fn remember_switches(&self, switches: SwitchSet, as_of: AsOf) {
        if self.known().switches == Some(switches) {
            return;
        }
        let mut known = self.know();
        if as_of.era == known.latest.era && as_of.number >= known.switched {
            known.switches = Some(switches);
        }
    }

    /// Remembers what was read of a token's session.
    pub(crate) fn remember(&self, token: TokenDigest, remembered: Remembered) {
        self.sessions.insert(token, remembered);
    }

    /// Learns what has changed since [`Memory::latest_change`].
    pub(crate) fn learn(&self, news: &News) {
        if news.concerns.is_empty() {
            return;
        }
        let mut known = self.know();
        let ChangeMark { number, mark } = news.latest;
        (known.latest.number, known.mark) = (number, mark);
        for concern in &news.concerns {
            match concern {
                Concern::User(user) => {
                    known.changed.insert(*user, number);
                }
                Concern::Switches => {
                    known.switched = number;
                    known.switches = None;
                }
                Concern::Everything => known.forget(),
            }
        }
        if known.changed.len() > MOST_CHANGED {
            known.forget();
        }
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn know(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Begins another era.
    fn forget(&mut self) {
        let latest = AsOf { era: self.latest.era.wrapping_add(1), number: self.latest.number };
        *self = Self { latest, mark: self.mark, switched: latest.number, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use thunderhead_domain::switch::KillSwitch;
    use thunderhead_testkit::sample;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn token(byte: u8) -> TokenDigest {
        TokenDigest([byte; 32])
    }

    fn remember(memory: &Memory, user: u8, as_of: AsOf) {
        let bearer = Arc::new(sample::bearer(UserId::from_number(user.into()), NOW));
        memory.remember(token(user), Remembered { bearer, generation: 0, as_of });
        memory.remember_switches(SwitchSet::NONE, as_of);
    }

    fn holds(memory: &Memory, user: u8) -> bool {
        memory.recall(&token(user)).is_some_and(|remembered| memory.switches_if_holds(&remembered).is_some())
    }

    /// The change of this number in this history of the database.
    fn change(number: i64, mark: i64) -> ChangeMark {
        ChangeMark { number: ChangeNumber(number), mark }
    }

    fn news(latest: i64, concerns: &[Concern]) -> News {
        News { latest: change(latest, 1), concerns: concerns.to_vec() }
    }

    fn user(number: i64) -> Concern {
        Concern::User(UserId::from_number(number))
    }

    #[test]
    fn a_session_holds_until_its_user_changes_and_again_once_it_is_read_anew() {
        let memory = Memory::new(1_000_000);
        remember(&memory, 1, memory.latest());
        remember(&memory, 2, memory.latest());
        memory.learn(&news(5, &[user(1), user(3)]));
        assert_eq!((holds(&memory, 1), holds(&memory, 2)), (false, true));
        remember(&memory, 1, memory.latest());
        assert!(holds(&memory, 1));
        memory.learn(&news(5, &[]));
        assert!(holds(&memory, 1));
    }

    #[test]
    fn what_was_read_before_a_change_and_remembered_after_it_does_not_hold() {
        for concern in [user(1), Concern::Everything] {
            let memory = Memory::new(1_000_000);
            let before = memory.latest();
            memory.learn(&news(1, &[concern]));
            remember(&memory, 1, before);
            memory.remember_switches(SwitchSet::NONE, memory.latest());
            assert!(!holds(&memory, 1), "{concern:?}");
        }
    }

    #[test]
    fn switches_hold_until_they_change_and_an_older_reading_does_not_bring_them_back() {
        let memory = Memory::new(1_000_000);
        let before = memory.latest();
        remember(&memory, 1, before);
        memory.learn(&news(1, &[Concern::Switches]));
        assert_eq!((memory.switches(), holds(&memory, 1)), (None, false));
        memory.remember_switches(SwitchSet::NONE, before);
        assert_eq!(memory.switches(), None);
        let on = SwitchSet::NONE.with(KillSwitch::Global);
        memory.remember_switches(on, memory.latest());
        let remembered = memory.recall(&token(1)).unwrap();
        assert_eq!((memory.switches(), memory.switches_if_holds(&remembered)), (Some(on), Some(on)));
    }

    #[test]
    fn where_everything_has_changed_numbers_may_begin_anew() {
        let memory = Memory::new(1_000_000);
        memory.learn(&news(50, &[user(9)]));
        remember(&memory, 1, memory.latest());
        memory.learn(&News { latest: change(7, 2), concerns: vec![Concern::Everything] });
        assert_eq!(memory.latest_change(), change(7, 2));
        memory.remember_switches(SwitchSet::NONE, memory.latest());
        assert!(!holds(&memory, 1));
        remember(&memory, 1, memory.latest());
        assert!(holds(&memory, 1));
    }

    #[test]
    fn more_changed_users_than_are_counted_make_everything_forgotten() {
        let memory = Memory::new(1_000_000);
        remember(&memory, 1, memory.latest());
        for number in 0..=MOST_CHANGED as i64 {
            assert!(holds(&memory, 1));
            memory.learn(&news(number + 1, &[user(1_000 + number)]));
        }
        memory.remember_switches(SwitchSet::NONE, memory.latest());
        assert!(!holds(&memory, 1));
        assert!(memory.known().changed.is_empty());
    }

    #[test]
    fn the_memory_is_bounded_in_bytes() {
        let memory = Memory::new(100_000);
        remember(&memory, 1, memory.latest());
        let remembered = memory.recall(&token(1)).unwrap();
        for number in 0..10_000_u16 {
            let mut digest = [0; 32];
            digest[..2].copy_from_slice(&number.to_be_bytes());
            memory.remember(TokenDigest(digest), remembered.clone());
        }
        assert!(memory.sessions.weight() <= 100_000, "{}", memory.sessions.weight());
        assert!(memory.sessions.len() > 50, "{}", memory.sessions.len());
    }

    #[test]
    fn a_noted_use_is_told_and_makes_nothing_newer_than_it_is() {
        let memory = Memory::new(1_000_000);
        remember(&memory, 1, memory.latest());
        let remembered = memory.recall(&token(1)).unwrap();
        assert_eq!(remembered.bearer.session.used_at, None);
        memory.learn(&news(1, &[user(1)]));
        memory.remember(token(1), remembered.used_at(NOW));
        assert_eq!(memory.recall(&token(1)).unwrap().bearer.session.used_at, Some(NOW));
        assert!(!holds(&memory, 1));
    }
}
