//! What a replica caches of sessions, so that a request need not read them (`docs/ARCHITECTURE.md`, *Fast and never
//! stale*).
//!
//! Two things are cached of a token, and they are of different natures. That its signature is good is a fact, which
//! stays true until the signing keys change. The session behind it, with its user, is true as of what was known of
//! changes before it was read ([`AsOf`]), and holds as long as nothing that was learnt later concerns that user. Changes
//! are taken in by [`SessionCache::apply`], which names users, and never looks for their sessions: a session whose user
//! has changed since is found out when it is got. So one that was read before a change, and cached after it, is found
//! out too.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::mem::size_of;
use std::sync::{Arc, PoisonError};

use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{ChangeCursor, Invalidation, Invalidations};
use thunderhead_domain::session::{SessionKey, TokenDigest};
use thunderhead_domain::switch::SwitchSet;
use thunderhead_domain::time::Timestamp;

use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Users that are known to have changed. Beyond so many, all that was cached before is forgotten instead.
const MOST_CHANGED: usize = 32_768;
/// What a session without any texts takes, in bytes, with its place in the cache and the heads of its allocations.
const SMALLEST: usize = SLOT + allocation(COUNTS + size_of::<AuthenticatedSession>());
/// What a session takes in the cache, in bytes: its digest and itself, links, a part of the index, and room to grow.
const SLOT: usize = 128;
/// What is counted of something shared, in bytes.
const COUNTS: usize = 16;
/// The longest name or address that needs no allocation, in bytes.
const INLINE: usize = 23;

/// What is cached of a token.
#[derive(Clone)]
pub(crate) struct CachedSession {
    /// Its session and user.
    pub(crate) authenticated: Arc<AuthenticatedSession>,
    /// By what kind of token it is found.
    pub(crate) kind: TokenKind,
    /// The signing keys that it was verified under.
    pub(crate) generation: u32,
    /// As of when session and user are true.
    pub(crate) as_of: AsOf,
}

/// A kind of token. By an opaque one or a pass alone its session is found: that may have got another since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Signed,
    Opaque,
    Pass,
}

impl TokenKind {
    /// The kind of what leads here.
    pub(crate) const fn of(key: SessionKey) -> Self {
        match key {
            // What a verify-only key has verified leads to one session as long as the keys are the same.
            SessionKey::Uuid(..) | SessionKey::Imported(_) => Self::Signed,
            SessionKey::Opaque(_) => Self::Opaque,
            SessionKey::Pass(_) => Self::Pass,
        }
    }
}

/// How often this replica had learnt of changes when something was read: that is true as of all of them, or of a later
/// state of the database. Numbers of changes are not compared: which partition of the log they are in does not matter
/// then, nor whether the database has become another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AsOf(u64);

impl CachedSession {
    /// Where the token of this digest leads to.
    pub(crate) fn key(&self, token: TokenDigest) -> SessionKey {
        match self.kind {
            TokenKind::Signed => SessionKey::Uuid(self.authenticated.session.uuid, self.authenticated.session.user),
            TokenKind::Opaque => SessionKey::Opaque(token),
            TokenKind::Pass => SessionKey::Pass(token),
        }
    }

    /// The same, used at this moment.
    pub(crate) fn used_at(&self, now: Timestamp) -> Self {
        let mut authenticated = AuthenticatedSession::clone(&self.authenticated);
        authenticated.session.used_at = Some(now);
        Self { authenticated: Arc::new(authenticated), ..*self }
    }
}

/// What the system's allocator takes for so many bytes.
const fn allocation(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16) }
}

/// Weighs in bytes.
#[derive(Clone)]
struct Bytes;

impl Weighter<TokenDigest, CachedSession> for Bytes {
    fn weight(&self, _: &TokenDigest, CachedSession { authenticated, .. }: &CachedSession) -> u64 {
        let AuthenticatedSession { session, user } = &**authenticated;
        let texts = [session.name.as_str(), user.username.as_str(), user.email.as_str()];
        let texts = texts.iter().filter(|text| text.len() > INLINE).map(|text| allocation(COUNTS + text.len()));
        let user_agent = session.origin.user_agent.as_deref().map_or(0, |text| allocation(text.len()));
        let proofs = &session.authentications;
        let proofs = if proofs.spilled() { allocation(size_of_val(&**proofs)) } else { 0 };
        (SMALLEST + texts.sum::<usize>() + user_agent + proofs) as u64
    }
}

/// Takes a digest for its own hash. Nobody picks digests, and only those of good tokens are cached.
#[derive(Clone, Copy, Default)]
struct DigestHashing;

#[derive(Default)]
struct DigestHasher(u64);

impl BuildHasher for DigestHashing {
    type Hasher = DigestHasher;

    fn build_hasher(&self) -> DigestHasher {
        DigestHasher::default()
    }
}

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        let first = bytes.first_chunk().copied().unwrap_or_default();
        self.0 ^= u64::from_ne_bytes(first);
    }

    /// How long it is: they all are of one length.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What is known of changes.
#[derive(Default)]
struct Known {
    latest: AsOf,
    /// Where the next ones begin.
    cursor: ChangeCursor,
    /// When everything was last learnt to have changed: nothing holds that was read before.
    everything: AsOf,
    /// Users who have changed since then, and when their latest change was learnt.
    changed: HashMap<UserId, AsOf>,
    /// The switches, until they change.
    switches: Option<SwitchSet>,
    /// When the latest change of the switches was learnt.
    switched: AsOf,
}

/// The sessions of this replica's recent requests, by the digests of their tokens.
pub(crate) struct SessionCache {
    sessions: Cache<TokenDigest, CachedSession, Bytes, DigestHashing>,
    known: RwLock<Known>,
}

impl SessionCache {
    /// A cache of so many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        let sessions = Cache::with(bytes as usize / SMALLEST, bytes, Bytes, DigestHashing, DefaultLifecycle::default());
        Self { sessions, known: RwLock::default() }
    }

    /// How many sessions there are, the bytes that they take, and those that they may take.
    pub(crate) fn size(&self) -> (usize, u64, u64) {
        (self.sessions.len(), self.sessions.weight(), self.sessions.capacity())
    }

    /// As of when what is read from now on is true, at least.
    pub(crate) fn latest(&self) -> AsOf {
        self.known().latest
    }

    /// The latest changes that are known.
    pub(crate) fn latest_change(&self) -> ChangeCursor {
        self.known().cursor.clone()
    }

    /// What was cached of a token, whether or not it still holds.
    pub(crate) fn get(&self, token: &TokenDigest) -> Option<CachedSession> {
        self.sessions.get(token)
    }

    /// The switches, where no known change concerns the session, its user, or them.
    pub(crate) fn switches_if_valid(&self, cached: &CachedSession) -> Option<SwitchSet> {
        let known = self.known();
        let changed = known.changed.get(&cached.authenticated.user.id);
        let as_of = cached.as_of;
        let holds = known.everything <= as_of && changed.is_none_or(|changed| *changed <= as_of);
        known.switches.filter(|_| holds)
    }

    /// The switches, where no known change concerns them.
    pub(crate) fn switches(&self) -> Option<SwitchSet> {
        self.known().switches
    }

    /// Caches what was read of the switches.
    pub(crate) fn insert_switches(&self, switches: SwitchSet, as_of: AsOf) {
        if self.known().switches == Some(switches) {
            return;
        }
        let mut known = self.know();
        if as_of >= known.everything && as_of >= known.switched {
            known.switches = Some(switches);
        }
    }

    /// Caches what was read of a token's session.
    pub(crate) fn insert(&self, token: TokenDigest, cached: CachedSession) {
        self.sessions.insert(token, cached);
    }

    /// Takes in what has changed since [`SessionCache::latest_change`].
    pub(crate) fn apply(&self, invalidations: &Invalidations) {
        if invalidations.invalidations.is_empty() {
            return;
        }
        let mut known = self.know();
        let latest = AsOf(known.latest.0 + 1);
        (known.latest, known.cursor) = (latest, invalidations.latest.clone());
        for invalidation in &invalidations.invalidations {
            match invalidation {
                Invalidation::User(user) => {
                    known.changed.insert(*user, latest);
                }
                Invalidation::Switches => {
                    known.switched = latest;
                    known.switches = None;
                }
                Invalidation::Everything => known.clear(),
            }
        }
        if known.changed.len() > MOST_CHANGED {
            known.clear();
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
    /// Lets nothing hold that was read before.
    fn clear(&mut self) {
        self.everything = self.latest;
        self.changed = HashMap::new();
        self.switches = None;
    }
}

#[cfg(test)]
mod tests {
    use thunderhead_domain::ports::{ChangeNumber, PartitionCursor};
    use thunderhead_domain::session::{Authentication, Method, SessionName};
    use thunderhead_domain::switch::KillSwitch;
    use thunderhead_testkit::sample;

    use super::*;
    use crate::tokens::token::digest;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn token(byte: u8) -> TokenDigest {
        TokenDigest([byte; 32])
    }

    fn insert(cache: &SessionCache, user: u8, as_of: AsOf) {
        let authenticated = Arc::new(sample::authenticated(UserId::from_number(user.into()), NOW));
        cache.insert(token(user), CachedSession { authenticated, kind: TokenKind::Signed, generation: 0, as_of });
        cache.insert_switches(SwitchSet::NONE, as_of);
    }

    fn holds(cache: &SessionCache, user: u8) -> bool {
        cache.get(&token(user)).is_some_and(|cached| cache.switches_if_valid(&cached).is_some())
    }

    /// The change of this number in this history of the database.
    fn change(number: i64, nonce: i64) -> ChangeCursor {
        ChangeCursor::from_iter([PartitionCursor { number: ChangeNumber(number), nonce }])
    }

    fn invalidations(latest: i64, invalidations: &[Invalidation]) -> Invalidations {
        Invalidations { latest: change(latest, 1), invalidations: invalidations.to_vec() }
    }

    fn user(number: i64) -> Invalidation {
        Invalidation::User(UserId::from_number(number))
    }

    #[test]
    fn a_session_holds_until_its_user_changes_and_again_once_it_is_read_anew() {
        let cache = SessionCache::new(1_000_000);
        insert(&cache, 1, cache.latest());
        insert(&cache, 2, cache.latest());
        cache.apply(&invalidations(5, &[user(1), user(3)]));
        assert_eq!((holds(&cache, 1), holds(&cache, 2)), (false, true));
        insert(&cache, 1, cache.latest());
        assert!(holds(&cache, 1));
        cache.apply(&invalidations(5, &[]));
        assert!(holds(&cache, 1));
    }

    #[test]
    fn what_was_read_before_a_change_and_remembered_after_it_does_not_hold() {
        for invalidation in [user(1), Invalidation::Everything] {
            let cache = SessionCache::new(1_000_000);
            let before = cache.latest();
            cache.apply(&invalidations(1, &[invalidation]));
            insert(&cache, 1, before);
            cache.insert_switches(SwitchSet::NONE, cache.latest());
            assert!(!holds(&cache, 1), "{invalidation:?}");
        }
    }

    #[test]
    fn switches_hold_until_they_change_and_an_older_reading_does_not_bring_them_back() {
        let cache = SessionCache::new(1_000_000);
        let before = cache.latest();
        insert(&cache, 1, before);
        cache.apply(&invalidations(1, &[Invalidation::Switches]));
        assert_eq!((cache.switches(), holds(&cache, 1)), (None, false));
        cache.insert_switches(SwitchSet::NONE, before);
        assert_eq!(cache.switches(), None);
        let on = SwitchSet::NONE.with(KillSwitch::Global);
        cache.insert_switches(on, cache.latest());
        let cached = cache.get(&token(1)).unwrap();
        assert_eq!((cache.switches(), cache.switches_if_valid(&cached)), (Some(on), Some(on)));
    }

    #[test]
    fn where_everything_has_changed_numbers_may_begin_anew() {
        let cache = SessionCache::new(1_000_000);
        cache.apply(&invalidations(50, &[user(9)]));
        insert(&cache, 1, cache.latest());
        cache.apply(&Invalidations { latest: change(7, 2), invalidations: vec![Invalidation::Everything] });
        assert_eq!(cache.latest_change(), change(7, 2));
        cache.insert_switches(SwitchSet::NONE, cache.latest());
        assert!(!holds(&cache, 1));
        insert(&cache, 1, cache.latest());
        assert!(holds(&cache, 1));
    }

    #[test]
    fn more_changed_users_than_are_counted_make_everything_forgotten() {
        let cache = SessionCache::new(1_000_000);
        insert(&cache, 1, cache.latest());
        for number in 0..=MOST_CHANGED as i64 {
            assert!(holds(&cache, 1));
            cache.apply(&invalidations(number + 1, &[user(1_000 + number)]));
        }
        cache.insert_switches(SwitchSet::NONE, cache.latest());
        assert!(!holds(&cache, 1));
        assert!(cache.known().changed.is_empty());
    }

    #[test]
    fn the_memory_is_bounded_in_bytes() {
        let cache = SessionCache::new(100_000);
        insert(&cache, 1, cache.latest());
        let cached = cache.get(&token(1)).unwrap();
        for number in 0..10_000_u16 {
            cache.insert(digest(&number.to_string()), cached.clone());
        }
        assert!(cache.sessions.weight() <= 100_000, "{}", cache.sessions.weight());
        assert!(cache.sessions.len() > 50, "{}", cache.sessions.len());
    }

    #[test]
    fn a_session_weighs_what_the_texts_take_that_need_room_of_their_own() {
        let mut authenticated = sample::authenticated(UserId::from_number(1), NOW);
        let mut weigh = |change: fn(&mut AuthenticatedSession)| {
            change(&mut authenticated);
            let authenticated = Arc::new(authenticated.clone());
            let cached = CachedSession { authenticated, kind: TokenKind::Signed, generation: 0, as_of: AsOf(0) };
            Bytes.weight(&token(1), &cached) as usize - SMALLEST
        };
        assert_eq!(weigh(|_| ()), 0);
        assert_eq!(weigh(|it| it.session.name = SessionName::made_of(&"x".repeat(INLINE))), 0);
        // With what counts those who share it, and the head of the allocation, in steps of 16 bytes.
        assert_eq!(weigh(|it| it.session.name = SessionName::made_of(&"x".repeat(INLINE + 1))), 48);
        assert_eq!(weigh(|it| it.session.origin.user_agent = Some("x".repeat(40).into())), 48 + 48);
        let shown = Authentication { method: Method::Password, at: NOW };
        let proofs = allocation(2 * size_of_val(&shown));
        assert!(proofs > 0);
        let two = |it: &mut AuthenticatedSession| {
            let shown = Authentication { method: Method::Password, at: NOW };
            it.session.authentications.extend([shown, shown]);
        };
        assert_eq!(weigh(two), 48 + 48 + proofs);
    }

    #[test]
    fn allocations_have_a_head_and_come_in_steps_of_16_bytes() {
        for (bytes, taken) in [(0, 0), (1, 16), (8, 16), (9, 32), (24, 32), (25, 48)] {
            assert_eq!(allocation(bytes), taken, "{bytes}");
        }
    }

    #[test]
    fn a_cache_says_what_it_holds() {
        let cache = SessionCache::new(1_000_000);
        insert(&cache, 1, cache.latest());
        insert(&cache, 2, cache.latest());
        let (sessions, bytes, most) = cache.size();
        assert_eq!((sessions, most), (2, 1_000_000));
        assert_eq!(bytes, 2 * SMALLEST as u64);
    }

    #[test]
    fn digests_are_spread_by_their_first_bytes() {
        let hash = |digest: TokenDigest| DigestHashing.hash_one(digest);
        let digests = [token(1), token(2), TokenDigest(std::array::from_fn(|place| place as u8))];
        for digest in digests {
            assert_eq!(hash(digest), u64::from_ne_bytes(*digest.0.first_chunk().unwrap()));
        }
    }

    #[test]
    fn a_cached_session_leads_to_its_row_by_its_token() {
        let cache = SessionCache::new(1_000_000);
        insert(&cache, 1, cache.latest());
        let mut cached = cache.get(&token(1)).unwrap();
        let session = cached.authenticated.session.clone();
        for key in
            [SessionKey::Uuid(session.uuid, session.user), SessionKey::Opaque(token(1)), SessionKey::Pass(token(1))]
        {
            cached.kind = TokenKind::of(key);
            assert_eq!(cached.key(token(1)), key);
        }
    }

    #[test]
    fn switches_that_were_read_before_everything_changed_do_not_come_back() {
        let cache = SessionCache::new(1_000_000);
        let before = cache.latest();
        cache.apply(&invalidations(1, &[Invalidation::Everything]));
        cache.insert_switches(SwitchSet::NONE, before);
        assert_eq!(cache.switches(), None);
        cache.insert_switches(SwitchSet::NONE, cache.latest());
        assert_eq!(cache.switches(), Some(SwitchSet::NONE));
    }

    #[test]
    fn a_noted_use_is_told_and_makes_nothing_newer_than_it_is() {
        let cache = SessionCache::new(1_000_000);
        insert(&cache, 1, cache.latest());
        let cached = cache.get(&token(1)).unwrap();
        assert_eq!(cached.authenticated.session.used_at, None);
        cache.apply(&invalidations(1, &[user(1)]));
        cache.insert(token(1), cached.used_at(NOW));
        assert_eq!(cache.get(&token(1)).unwrap().authenticated.session.used_at, Some(NOW));
        assert!(!holds(&cache, 1));
    }
}
