//! Sessions of one user that are opened and ended in several ways at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::id::{SessionId, UserId};
use thunderhead_domain::ports::{PageRequest, Storage};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    FIRST_CREDENTIAL, Intruder, WHY, action, at, at_once, first, live, open, recorded, session, user, uuid,
};

on_both_engines!(async:
    each_session_is_ended_by_one_of_those_who_try_and_none_is_missed,
    the_session_that_stays_is_ended_by_whoever_names_it_at_the_same_time,
);

/// What one of those who do something at once did.
enum Done {
    Opened(SessionId),
    Ended(u64),
}

async fn each_session_is_ended_by_one_of_those_who_try_and_none_is_missed(database: TestDatabase) {
    const ROUNDS: u128 = 12;
    const OPENED: u128 = 6;
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let (mut opened, mut ended, mut known) = (0, 0, Vec::new());
    for round in 0..ROUNDS {
        let opening = (0..OPENED).map(|number| {
            let (storage, new) = (Arc::clone(&storage), session(1 + round * OPENED + number));
            tokio::spawn(async move {
                let made = storage.session_open(ada, FIRST_CREDENTIAL, None, new).await.unwrap().unwrap();
                Done::Opened(made.id)
            })
        });
        let some = (0..4).map(|_| {
            let (storage, ids) = (Arc::clone(&storage), known.clone());
            tokio::spawn(async move { Done::Ended(storage.session_end_some(ada, &ids, WHY, action(5)).await.unwrap()) })
        });
        let keep = uuid(round * OPENED);
        let others = (0..2).map(|_| {
            let storage = Arc::clone(&storage);
            tokio::spawn(
                async move { Done::Ended(storage.session_end_others(ada, keep, WHY, action(5)).await.unwrap()) },
            )
        });
        let doing: Vec<_> = others.chain(opening).chain(some).collect();
        known.clear();
        for done in at_once(doing).await {
            match done.unwrap() {
                Done::Opened(id) => {
                    opened += 1;
                    known.push(id);
                }
                Done::Ended(count) => ended += count,
            }
        }
        let left = live(&*storage, ada).await;
        assert_eq!(ended + left.len() as u64, opened, "each is ended once, or not at all");
        assert_eq!(recorded(&*storage, AuditKind::SessionEnded).await, ended);
        let of_before: BTreeSet<_> = left.into_iter().filter(|number| *number <= round * OPENED).collect();
        assert!(of_before.is_empty() || of_before == BTreeSet::from([round * OPENED]), "missed: {of_before:?}");
    }
    ended += storage.session_end_all(ada, WHY, action(6)).await.unwrap();
    assert_eq!((live(&*storage, ada).await, ended), (vec![], opened));
}

async fn is_live(storage: &dyn Storage, user: UserId, id: SessionId) -> bool {
    storage.session_find(user, id, at(6)).await.unwrap().is_some()
}

/// With more sessions than are ended row by row, the one that stays is moved on to another generation meanwhile.
async fn the_session_that_stays_is_ended_by_whoever_names_it_at_the_same_time(database: TestDatabase) {
    let storage = database.open();
    for round in 1..=8 {
        let ada = user(&*storage, &format!("ada{round}")).await.id;
        let kept = open(&*storage, ada, session(round)).await;
        let mut intruder = Intruder::new(&database);
        intruder.add_sessions(ada, 1_001);
        let (a, b) = (Arc::clone(&storage), Arc::clone(&storage));
        let doing = [
            tokio::spawn(async move { a.session_end_others(ada, uuid(round), WHY, action(5)).await.unwrap() }),
            tokio::spawn(async move { b.session_end_some(ada, &[kept.id], WHY, action(5)).await.unwrap() }),
        ];
        let [others, one]: [u64; 2] =
            at_once(doing).await.into_iter().map(Result::unwrap).collect::<Vec<_>>().try_into().unwrap();
        assert!(!is_live(&*storage, ada, kept.id).await);
        assert_eq!(others + one, 1_002);
        let page = PageRequest { limit: 1, ..first(1) };
        assert_eq!(storage.session_page(ada, page, at(6)).await.unwrap().count, 0);
        intruder.run(&format!("DELETE FROM sessions WHERE user_id = {}", ada.number()));
    }
}
