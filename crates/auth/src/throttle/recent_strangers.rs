//! Who was found to be a stranger to an account a moment ago. While no stranger gets a place in the queue for hashing, they
//! are refused without another look at the account: a flood of guesses then asks the database for nothing.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use thunderhead_domain::network::Network;
use thunderhead_domain::time::Timestamp;

use crate::throttle::budgets::AttemptBy;

/// Who has become known since is a stranger for up to twice as long, in milliseconds, and only while there are too many.
const SPELL_MS: i64 = 2_500;
/// How many are remembered of each spell. The rest costs a look at the account each time.
const MOST: usize = 8_192;

/// A name as it was typed, and a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StrangerKey(u64);

/// Those of this spell and of the last one.
pub(crate) struct RecentStrangers {
    /// What nobody outside can find two of the same for.
    hasher: RandomState,
    spells: Mutex<Spells>,
}

struct Spells {
    begun: Timestamp,
    now: HashSet<StrangerKey>,
    before: HashSet<StrangerKey>,
}

impl RecentStrangers {
    pub(crate) fn new(now: Timestamp) -> Self {
        let spells = Spells { begun: now, now: HashSet::new(), before: HashSet::new() };
        Self { hasher: RandomState::new(), spells: Mutex::new(spells) }
    }

    /// Whom an attempt is remembered as: nobody where it shows a session, or comes from nowhere.
    pub(crate) fn key(&self, by: AttemptBy<'_>, client_ip: Option<IpAddr>) -> Option<StrangerKey> {
        match (by, client_ip) {
            (AttemptBy::Session(_), _) | (_, None) => None,
            (AttemptBy::Client { typed, .. }, Some(address)) => {
                Some(StrangerKey(self.hasher.hash_one((typed, Network::of(address)))))
            }
        }
    }

    pub(crate) fn note(&self, key: StrangerKey, now: Timestamp) {
        let mut spells = self.at(now);
        if spells.now.len() < MOST {
            spells.now.insert(key);
        }
    }

    pub(crate) fn contains(&self, key: StrangerKey, now: Timestamp) -> bool {
        let spells = self.at(now);
        spells.now.contains(&key) || spells.before.contains(&key)
    }

    fn at(&self, now: Timestamp) -> MutexGuard<'_, Spells> {
        let mut spells = self.spells.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.unix_millis() - spells.begun.unix_millis();
        if !(0..SPELL_MS).contains(&elapsed) {
            let ended = std::mem::take(&mut spells.now);
            spells.before = if (SPELL_MS..2 * SPELL_MS).contains(&elapsed) { ended } else { HashSet::new() };
            spells.begun = now;
        }
        spells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_unix_millis(1_000_000 + millis)
    }

    fn key(strangers: &RecentStrangers, typed: &str, address: &str) -> StrangerKey {
        let by = AttemptBy::Client { typed, agent: None };
        strangers.key(by, Some(address.parse().unwrap())).unwrap()
    }

    #[test]
    fn a_stranger_is_one_from_the_whole_network_and_for_this_name_alone() {
        let strangers = RecentStrangers::new(at(0));
        strangers.note(key(&strangers, "ada", "198.51.100.7"), at(0));
        for (name, address, is_remembered) in
            [("ada", "198.51.100.8", true), ("ada", "198.51.101.7", false), ("bob", "198.51.100.7", false)]
        {
            let key = key(&strangers, name, address);
            assert_eq!(strangers.contains(key, at(1)), is_remembered, "{name} from {address}");
        }
        assert_eq!(strangers.key(AttemptBy::Client { typed: "ada", agent: None }, None), None);
    }

    #[test]
    fn a_stranger_is_forgotten_soon_whatever_the_clock_does() {
        for (later, is_remembered) in [(0, true), (SPELL_MS, true), (2 * SPELL_MS, false), (-1, false)] {
            let strangers = RecentStrangers::new(at(0));
            let ada = key(&strangers, "ada", "198.51.100.7");
            strangers.note(ada, at(0));
            assert_eq!(strangers.contains(ada, at(later)), is_remembered, "{later}");
        }
    }

    #[test]
    fn only_so_many_are_remembered() {
        let strangers = RecentStrangers::new(at(0));
        let keys: Vec<_> = (0..=MOST).map(|number| key(&strangers, &number.to_string(), "198.51.100.7")).collect();
        keys.iter().for_each(|key| strangers.note(*key, at(0)));
        assert_eq!(keys.iter().filter(|key| strangers.contains(**key, at(0))).count(), MOST);
    }
}
