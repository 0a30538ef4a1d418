//! Keys that are read anew while one of them is removed and a token is verified, in every order: what was verified by a key
//! that is gone does not count, and a read that began earlier brings no key back.

use std::sync::LazyLock;

use loom::sync::Mutex;

use super::*;
use crate::sync::{Exploration, block_on, explore, spawn};
use crate::testing::SameByte;
use crate::tokens::keys::next_key;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Right,
    /// The generation is another one before the keys are.
    CountedBeforeTheyChange,
    /// What is read counts as read when it was done.
    NumberedWhenRead,
}

static ENCRYPTION_KEYS: LazyLock<EncryptionKeys> = LazyLock::new(|| EncryptionKeys::parse(&"01".repeat(32)).unwrap());
/// Two keys, of which the second is going to be removed.
static RECORDS: LazyLock<[SigningKeyRecord; 2]> = LazyLock::new(|| {
    let now = Timestamp::from_unix_seconds(1_800_000_000);
    [1, 2].map(|byte| next_key(&ENCRYPTION_KEYS, now, &SameByte(byte)).unwrap())
});
static RING: LazyLock<Arc<KnownKeys>> =
    LazyLock::new(|| KnownKeys::read(RECORDS.to_vec(), vec![], &ENCRYPTION_KEYS, &KnownKeys::EMPTY).unwrap());

struct Replica {
    order: Order,
    signer: TokenSigner,
    /// How many of the keys are stored.
    stored: Mutex<usize>,
}

impl Replica {
    fn new(order: Order) -> Self {
        let signer = TokenSigner::new("thunderhead".to_owned(), ENCRYPTION_KEYS.clone(), Arc::clone(&RING));
        Self { order, signer, stored: Mutex::new(RECORDS.len()) }
    }

    fn remove(&self) {
        *self.stored.lock().unwrap() = 1;
    }

    async fn read(&self) -> Stored<(Vec<SigningKeyRecord>, Vec<VerificationKey>)> {
        let stored = *self.stored.lock().unwrap();
        Ok((RECORDS[..stored].to_vec(), vec![]))
    }

    fn refresh(&self) {
        let signer = &self.signer;
        if self.order == Order::Right {
            return block_on(signer.refresh_by(self.read())).unwrap();
        }
        let (records, verify_only) = block_on(self.read()).unwrap();
        let ring = KnownKeys::read(records, verify_only, &ENCRYPTION_KEYS, &signer.ring()).unwrap();
        let read = signer.reads.fetch_add(1, Ordering::Relaxed) + 1;
        if self.order == Order::NumberedWhenRead {
            return signer.take_over(LatestKeys { ring, read });
        }
        if ring.keys.len() != signer.ring().keys.len() {
            signer.generation.fetch_add(1, Ordering::Release);
        }
        signer.latest.write().unwrap().ring = ring;
    }

    fn has_second_key(&self) -> bool {
        self.signer.ring().kids().any(|kid| kid == RECORDS[1].kid)
    }
}

/// Two read the keys, one of them after the second was removed, while a token of that is verified.
fn two_read_while_a_key_is_removed(order: Order) -> Exploration {
    // Cryptography needs more of a stack than the first thread has.
    LazyLock::force(&RING);
    explore(order == Order::Right, move || {
        let replica = Arc::new(Replica::new(order));
        let (early, late) = (Arc::clone(&replica), Arc::clone(&replica));
        let early = spawn(move || early.refresh());
        let late = spawn(move || {
            late.remove();
            late.refresh();
        });
        // As the session check does.
        let generation = replica.signer.generation();
        let is_verified = replica.has_second_key();
        early.join().unwrap();
        late.join().unwrap();
        let counts = is_verified && generation == replica.signer.generation();
        !replica.has_second_key() && !counts
    })
}

#[test]
fn in_no_order_is_a_removed_key_used() {
    let exploration = two_read_while_a_key_is_removed(Order::Right);
    assert!(!exploration.is_broken && exploration.orders > 100, "{exploration:?}");
}

#[test]
fn keys_that_change_after_their_generation_are_found() {
    assert!(two_read_while_a_key_is_removed(Order::CountedBeforeTheyChange).is_broken);
}

#[test]
fn an_early_read_that_counts_as_a_late_one_is_found() {
    assert!(two_read_while_a_key_is_removed(Order::NumberedWhenRead).is_broken);
}
