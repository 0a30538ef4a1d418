//! Hashing and checking passwords.

use std::future::pending;
use std::pin::pin;

use super::*;

struct Counting;

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for (byte, value) in buffer.iter_mut().zip(0..) {
            *byte = value;
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn hasher(memory_kib: u32) -> PasswordHasher {
    let cost = HashCost { memory_kib, passes: 1, lanes: 1 };
    PasswordHasher::new(cost, WorkPool::start(1, 4).unwrap(), Arc::new(Counting)).unwrap()
}

fn check(hasher: &PasswordHasher, text: &str, hash: Option<PasswordHash>) -> Checked {
    let place = hasher.reserve(JobOwner::Known, hash.as_ref().is_some_and(|hash| hasher.is_costly(hash))).unwrap();
    block_on(hasher.check(place, pin!(pending()), Password::new(text.to_owned()), hash)).unwrap()
}

fn make_hash(hasher: &PasswordHasher, text: &str) -> PasswordHash {
    block_on(hasher.hash_unchanged(JobOwner::Known, Password::new(text.to_owned()))).unwrap()
}

fn is_right(hasher: &PasswordHasher, text: &str, hash: &PasswordHash) -> bool {
    matches!(check(hasher, text, Some(hash.clone())), Checked::Right(_))
}

/// A hash as it was made before there was a mark, of the text as it is.
fn unmarked(text: &str) -> PasswordHash {
    let params = Params::new(8, 1, 1, None).unwrap();
    let hash = hash(&HashMemory::default(), &params, text.as_bytes(), &[7; SALT_LENGTH]).unwrap();
    PasswordHash::new(hash.expose().strip_prefix(COMPOSED_MARK).unwrap().to_owned())
}

#[test]
fn a_password_is_checked_to_its_last_byte() {
    let hasher = hasher(8);
    let long = "0123456789".repeat(10);
    let hash = make_hash(&hasher, &long);
    assert!(is_right(&hasher, &long, &hash));
    for wrong in [&format!("{long} "), &format!(" {long}"), &long[..99], ""] {
        assert!(!is_right(&hasher, wrong, &hash));
    }
}

#[test]
fn a_hash_of_another_cost_is_right_and_to_be_made_anew() {
    let hash = make_hash(&hasher(8), "secret");
    let checked = check(&hasher(16), "secret", Some(hash));
    assert!(matches!(checked, Checked::Right(Renewal::Hash(_))));
}

#[test]
fn a_password_is_right_in_whatever_unicode_form_it_is_typed() {
    let hasher = hasher(8);
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    for set in [composed, decomposed] {
        let hash = make_hash(&hasher, set);
        assert!(is_right(&hasher, composed, &hash) && is_right(&hasher, decomposed, &hash));
        assert!(!is_right(&hasher, "cafe", &hash));
    }
}

#[test]
fn a_hash_without_the_mark_is_tried_as_typed_and_then_composed_and_gets_the_mark() {
    let hasher = hasher(8);
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    let check = |text: &str, hash: PasswordHash| check(&hasher, text, Some(hash));
    assert!(matches!(check(decomposed, unmarked(decomposed)), Checked::Right(Renewal::Hash(_))));
    assert!(matches!(check(decomposed, unmarked(composed)), Checked::Right(Renewal::Hash(_))));
    // As it was then: what was typed was hashed.
    assert!(matches!(check(composed, unmarked(decomposed)), Checked::Wrong));
    let Checked::Right(Renewal::Marked(marked)) = check(composed, unmarked(composed)) else { panic!("no mark") };
    assert!(matches!(check(decomposed, marked), Checked::Right(Renewal::NotNeeded)));
}

#[test]
fn a_stored_hash_that_cannot_be_read_or_costs_too_much_is_no_wrong_password() {
    let hasher = hasher(8);
    let good = make_hash(&hasher, "secret").expose().to_owned();
    let (head, _) = good.rsplit_once('$').unwrap();
    for bad in [
        String::new(),
        "!".to_owned(),
        "nfc".to_owned(),
        "$2b$16$oG15a7SYCo3U6RiLpQYReelKm//pVhJZsTYy20TVkCoi46hq9EDOC".to_owned(),
        "nfc$2b$05$oG15a7SYCo3U6RiLpQYReelKm//pVhJZsTYy20TVkCoi46hq9EDOC".to_owned(),
        "$6$rounds=5000$madeupsalt$8Pjly5y5x1PtIEaum9wrbst6".to_owned(),
        good.replace("argon2id", "argon2x"),
        good.replace("v=19", "v=18"),
        good.replace("m=8", "m=7"),
        good.replace("m=8", "m=4294967295"),
        good.replace("m=8", "m=4194305"),
        good.replace("t=1", "t=4294967295"),
        good.replace("m=8,t=1,p=1", "m=16384,t=1,p=1025"),
        head.to_owned(),
    ] {
        let checked = check(&hasher, "secret", Some(PasswordHash::new(bad.clone())));
        assert!(matches!(checked, Checked::Unreadable), "{bad}");
    }
}

const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuu1fpBNZpqz9Cnz03i9zBZOL0aejkXxiq";

#[test]
fn a_hash_from_elsewhere_is_checked_as_typed_and_then_composed_and_made_anew() {
    let hasher = hasher(8);
    let check = |text: &str| check(&hasher, text, Some(PasswordHash::new(BCRYPT.to_owned())));
    let (composed, decomposed) = ("caf\u{e9} \u{2615} 7 looms", "cafe\u{301} \u{2615} 7 looms");
    assert!(matches!(check(composed), Checked::Right(Renewal::Hash(_))));
    let Checked::Right(Renewal::Hash(password)) = check(decomposed) else { panic!("not right") };
    assert!(matches!(check("cafe \u{2615} 7 looms"), Checked::Wrong));
    let own = block_on(hasher.hash_unchanged(JobOwner::Known, password)).unwrap();
    assert!(is_right(&hasher, composed, &own));
}

#[test]
fn hashes_that_cost_more_than_those_made_here_hold_up_no_others() {
    let share = WorkPool::start(1, 1).unwrap();
    let hasher = hasher(16).with_costly_hashes_on(share.clone());
    let dear = make_hash(&self::hasher(32), "secret");
    let (own, cheap) = (make_hash(&hasher, "secret"), make_hash(&self::hasher(8), "secret"));
    let bcrypt = PasswordHash::new(BCRYPT.to_owned());
    let argon2i = PasswordHash::new(own.expose().replace("nfc$argon2id", "$argon2i").replace("t=1", "t=2"));
    // Its only thread is busy, and the only place behind it is taken.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (started, has_started) = std::sync::mpsc::channel();
    let busy = share.reserve(JobOwner::Known).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            block_on(busy.run(move || {
                started.send(()).unwrap();
                let _ = released.recv();
            }))
        });
        has_started.recv().unwrap();
        let waiting = share.reserve(JobOwner::Known).unwrap();
        for costly in [&dear, &bcrypt, &argon2i] {
            assert_eq!(hasher.reserve(JobOwner::Known, hasher.is_costly(costly)).err(), Some(WorkError::Busy));
        }
        for other in [&own, &cheap] {
            assert!(is_right(&hasher, "secret", other));
        }
        assert!(hasher.reserve(JobOwner::Known, false).is_ok());
        drop((waiting, release));
    });
    assert!(is_right(&hasher, "secret", &dear));
}

#[test]
fn a_stored_hash_is_told_by_its_format_and_whether_it_is_to_be_made_anew() {
    let hasher = hasher(8);
    let own = make_hash(&hasher, "secret");
    let argon2i = PasswordHash::new(own.expose().replace("nfc$argon2id", "$argon2i"));
    for (hash, told) in [
        (own, StoredHash::Current),
        (unmarked("secret"), StoredHash::Current),
        (make_hash(&self::hasher(16), "secret"), StoredHash::Outdated(HashFormat::Argon2id)),
        (argon2i, StoredHash::Outdated(HashFormat::Argon2i)),
        (PasswordHash::new(BCRYPT.to_owned()), StoredHash::Outdated(HashFormat::Bcrypt)),
        (PasswordHash::new("!".to_owned()), StoredHash::Unreadable),
    ] {
        assert_eq!(hasher.describe(&hash), told);
    }
}

#[test]
fn nobody_has_a_password() {
    let mut unguessable = [0; 32];
    Counting.fill(&mut unguessable);
    let text = String::from_utf8(unguessable.to_vec()).unwrap();
    let checked = check(&hasher(8), &text, None);
    assert!(matches!(checked, Checked::Wrong));
}

#[test]
fn passwords_and_hashes_are_not_printed() {
    let password = Password::new("sesame open".to_owned());
    assert!(!format!("{password:?}").contains("sesame"));
}
