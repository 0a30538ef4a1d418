//! A user's own live sessions in pages, with how many there are.

use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{Page, PageRequest, PageStart, SessionCursor, SessionFilter, Storage};
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Grant, NewSession, Session};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{Intruder, WHY, action, at, open, session, user, uuid};

on_both_engines!(async:
    a_page_has_what_a_list_has_and_counts_what_it_counts,
    very_many_are_counted_to_the_last_one,
    a_row_that_cannot_be_read_gives_its_place_to_another,
);

/// One page but for the session of a number, and the same by the list of all sessions.
async fn both(
    storage: &dyn Storage,
    user: UserId,
    but: Option<u128>,
    start: PageStart,
    limit: u32,
) -> [(Vec<Session>, u64); 2] {
    let but = but.map(uuid);
    let filter = SessionFilter { user: Some(user), except: but, active: Some(true), ..SessionFilter::default() };
    let Page { items, count } = storage.session_page_but(user, but, start, limit, at(2_000)).await.unwrap();
    let listed = storage.session_list(filter, start, limit, at(2_000)).await.unwrap();
    let listed = listed.into_iter().map(|authenticated| authenticated.session).collect();
    [(items, count), (listed, storage.session_count(filter, at(2_000)).await.unwrap())]
}

async fn a_page_has_what_a_list_has_and_counts_what_it_counts(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    // One that is over with its generation, one that has expired, and one that was ended.
    open(&*storage, ada, session(20)).await;
    storage.session_end_all(ada, WHY, action(1)).await.unwrap();
    open(&*storage, ada, NewSession { expires_at: at(1_500), ..session(21) }).await;
    let ended = open(&*storage, ada, session(22)).await;
    storage.session_end(ada, ended.id, WHY, action(1)).await.unwrap();
    open(&*storage, grace, session(23)).await;
    let mut live = Vec::new();
    for (number, new) in [
        session(1),
        NewSession { at: at(900), second_factor_pending: true, ..session(2) },
        NewSession { at: at(900), grant: Grant::Scoped(ScopeSet::from_flags(1).unwrap()), ..session(3) },
        NewSession { at: at(-7_000), ..session(4) },
        NewSession { at: at(900), ..session(5) },
    ]
    .into_iter()
    .enumerate()
    {
        live.push(open(&*storage, ada, new).await);
        assert_eq!(live[number].uuid, uuid(number as u128 + 1));
    }
    let mut starts: Vec<PageStart> = (0..7).chain([u64::MAX]).map(PageStart::Skip).collect();
    starts.extend(live.iter().chain([&ended]).map(|session| PageStart::After(SessionCursor::from(session))));
    for but in [None, Some(1), Some(3), Some(22), Some(23), Some(99)] {
        for start in &starts {
            for limit in [1, 2, 50] {
                let [page, list] = both(&*storage, ada, but, *start, limit).await;
                assert_eq!(page, list, "without {but:?}, {start:?}, {limit}");
            }
        }
    }
    let nothing = storage.session_page_but(ada, None, PageStart::Skip(0), 0, at(2_000)).await.unwrap();
    assert_eq!((nothing.items, nothing.count), (vec![], 5));
    let others = storage.session_page_but(grace, Some(uuid(23)), PageStart::Skip(0), 5, at(2_000)).await.unwrap();
    assert_eq!((others.items, others.count), (vec![], 0));
}

async fn very_many_are_counted_to_the_last_one(database: TestDatabase) {
    const MANY: u32 = 1_002;
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    Intruder::new(&database).add_sessions(ada, MANY);
    for ended in 0..5 {
        let left = u64::from(MANY) - ended;
        for (but, count) in [(None, left), (Some(1_000_000 + u128::from(MANY)), left - 1)] {
            for start in [0, 990, 1_200] {
                let [page, list] = both(&*storage, ada, but, PageStart::Skip(start), 5).await;
                assert_eq!(page, list);
                assert_eq!(page.1, count);
            }
        }
        let newest = storage.session_page(ada, PageRequest { limit: 1, offset: 0 }, at(2_000)).await.unwrap();
        assert_eq!(newest.count, left);
        storage.session_end(ada, newest.items[0].id, WHY, action(2)).await.unwrap();
    }
}

async fn a_row_that_cannot_be_read_gives_its_place_to_another(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in 1..=4 {
        open(&*storage, ada, NewSession { at: at(number * 10), ..session(number as u128) }).await;
    }
    Intruder::new(&database).run("UPDATE sessions SET dialect = 'gopher' WHERE name = 'session 3'");
    let page = storage.session_page_but(ada, None, PageStart::Skip(0), 2, at(2_000)).await.unwrap();
    let numbers: Vec<u128> = page.items.iter().map(|session| session.uuid.0.as_u128()).collect();
    assert_eq!((numbers, page.count), (vec![4, 2], 4));
}
