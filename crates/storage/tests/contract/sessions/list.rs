//! Listing sessions of whatever state.

use std::collections::BTreeSet;

use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{PageStart, SessionCursor, SessionFilter, Storage};
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Grant, NewSession, State};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{Intruder, WHY, action, at, open, session, user, uuid};

on_both_engines!(async:
    each_filter_passes_by_what_it_must_at_each_moment,
    a_list_tells_each_session_with_its_user_as_they_are,
    sessions_of_one_moment_come_by_id_and_then_by_uuid,
    places_are_skipped_and_pages_are_as_long_as_asked_for,
    a_list_from_cursor_to_cursor_has_each_session_once,
    a_list_from_cursor_to_cursor_has_each_session_once_while_others_come_and_go,
    a_cursor_is_good_without_its_session,
);

const ALL: SessionFilter = SessionFilter { user: None, except: None, active: None, scoped: None };

/// The numbers of the sessions on a page.
async fn page(storage: &dyn Storage, filter: SessionFilter, start: PageStart, limit: u32, now: i64) -> Vec<u128> {
    let page = storage.session_list(filter, start, limit, at(now)).await.unwrap();
    page.into_iter().map(|authenticated| authenticated.session.uuid.0.as_u128()).collect()
}

/// Everything that a filter lets pass, by number; it must be as many as are counted.
async fn passed(storage: &dyn Storage, filter: SessionFilter, now: i64) -> Vec<u128> {
    let mut numbers = page(storage, filter, PageStart::Skip(0), 1_000, now).await;
    assert_eq!(storage.session_count(filter, at(now)).await.unwrap(), numbers.len() as u64);
    numbers.sort_unstable();
    numbers
}

/// Lists from cursor to cursor; `between` is done after each page, with the number of pages before.
async fn list(
    storage: &dyn Storage,
    filter: SessionFilter,
    limit: u32,
    mut between: impl AsyncFnMut(u128),
) -> Vec<u128> {
    let mut met = Vec::new();
    let mut start = PageStart::Skip(0);
    for turn in 0.. {
        let page = storage.session_list(filter, start, limit, at(0)).await.unwrap();
        let Some(last) = page.last() else { break };
        start = PageStart::After(SessionCursor::from(&last.session));
        met.extend(page.iter().map(|authenticated| authenticated.session.uuid.0.as_u128()));
        assert!(met.len() < 1_000, "the list does not come to an end: {met:?}");
        between(turn).await;
    }
    met
}

async fn each_filter_passes_by_what_it_must_at_each_moment(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let grace = user(&*storage, "grace").await.id;
    let banned = user(&*storage, "banned").await.id;
    // Ada's: live, with a second factor pending, short, ended, and both short and ended. Grace's: live. Who is banned:
    // ended by that, and expired before.
    open(&*storage, ada, session(1)).await;
    open(&*storage, ada, NewSession { second_factor_pending: true, ..session(2) }).await;
    open(&*storage, ada, NewSession { expires_at: at(1_000), ..session(3) }).await;
    for (number, expires) in [(4, 3_600_000), (5, 1_000)] {
        let made = open(&*storage, ada, NewSession { expires_at: at(expires), ..session(number) }).await;
        assert!(storage.session_end(ada, made.id, WHY, action(1)).await.unwrap());
    }
    open(&*storage, grace, session(6)).await;
    open(&*storage, banned, session(7)).await;
    open(&*storage, banned, NewSession { expires_at: at(2), ..session(8) }).await;
    storage.account_ban(banned, None, action(5).into()).await.unwrap().unwrap();
    let of = |user: UserId| SessionFilter { user: Some(user), ..ALL };
    let active = |active, filter| SessionFilter { active: Some(active), ..filter };
    let except = |number, filter| SessionFilter { except: Some(uuid(number)), ..filter };
    let scoped = |scoped, filter| SessionFilter { scoped: Some(scoped), ..filter };
    let token = Grant::Scoped(ScopeSet::from_flags(2).unwrap());
    open(&*storage, grace, NewSession { grant: token, ..session(9) }).await;
    for (filter, early, late) in [
        (ALL, vec![1, 2, 3, 4, 5, 6, 7, 8, 9], vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (active(true, ALL), vec![1, 2, 3, 6, 9], vec![1, 2, 6, 9]),
        (scoped(true, active(true, ALL)), vec![9], vec![9]),
        (scoped(true, active(true, of(grace))), vec![9], vec![9]),
        (scoped(false, of(grace)), vec![6], vec![6]),
        (scoped(false, active(true, of(grace))), vec![6], vec![6]),
        (scoped(true, of(ada)), vec![], vec![]),
        (active(false, ALL), vec![4, 5, 7, 8], vec![3, 4, 5, 7, 8]),
        (of(ada), vec![1, 2, 3, 4, 5], vec![1, 2, 3, 4, 5]),
        (active(true, of(ada)), vec![1, 2, 3], vec![1, 2]),
        (active(false, of(ada)), vec![4, 5], vec![3, 4, 5]),
        (active(true, of(banned)), vec![], vec![]),
        (active(false, of(banned)), vec![7, 8], vec![7, 8]),
        (of(UserId::from_number(1)), vec![], vec![]),
        (except(1, ALL), vec![2, 3, 4, 5, 6, 7, 8, 9], vec![2, 3, 4, 5, 6, 7, 8, 9]),
        (except(6, of(ada)), vec![1, 2, 3, 4, 5], vec![1, 2, 3, 4, 5]),
        (except(3, active(true, of(ada))), vec![1, 2], vec![1, 2]),
        (except(3, active(false, of(ada))), vec![4, 5], vec![4, 5]),
        (except(99, active(true, of(grace))), vec![6, 9], vec![6, 9]),
    ] {
        // A session is over in the second in which it expires.
        assert_eq!(passed(&*storage, filter, 999).await, early, "{filter:?}");
        assert_eq!(passed(&*storage, filter, 1_000).await, late, "{filter:?}");
    }
    // Session 8 was not ended, for it had expired: at a moment before, the ban alone tells.
    assert_eq!(passed(&*storage, active(false, of(banned)), 1).await, [7, 8]);
    assert!(passed(&*storage, active(true, of(banned)), 1).await.is_empty());
    // A ban that is lifted brings back none.
    storage.account_unban(banned, action(6).into()).await.unwrap().unwrap();
    assert!(passed(&*storage, active(true, of(banned)), 10).await.is_empty());
}

async fn a_list_tells_each_session_with_its_user_as_they_are(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await, user(&*storage, "grace").await);
    let hers = open(&*storage, ada.id, NewSession { at: at(2), ..session(1) }).await;
    let made = open(&*storage, grace.id, session(2)).await;
    storage.session_end(grace.id, made.id, WHY, action(3)).await.unwrap();
    let listed = storage.session_list(ALL, PageStart::Skip(0), 9, at(3)).await.unwrap();
    assert_eq!((&listed[0].session, &listed[0].user), (&hers, &ada));
    assert_eq!((listed[1].session.state, &listed[1].user), (State::Ended(action(3).end(WHY)), &grace));
}

/// Sessions of three moments. Of those of moment 0, three users have one each of the same id; and the numbers, by which
/// the uuids are made, are not in the order in which they were opened.
async fn ties(storage: &dyn Storage) -> Vec<u128> {
    let mut users = Vec::new();
    for name in ["a", "b", "c"] {
        users.push(user(storage, name).await.id);
    }
    for (user, number, millis) in [
        (0, 50, 0),
        (1, 40, 0),
        (2, 60, 0),
        // A second session of one moment gets an id before the first's.
        (0, 10, 0),
        (1, 20, 0),
        (2, 30, 9_000),
        (2, 70, -9_000),
    ] {
        open(storage, users[user], NewSession { at: at(millis), ..session(number) }).await;
    }
    vec![30, 10, 20, 40, 50, 60, 70]
}

async fn sessions_of_one_moment_come_by_id_and_then_by_uuid(database: TestDatabase) {
    let storage = database.open();
    let expected = ties(&*storage).await;
    assert_eq!(page(&*storage, ALL, PageStart::Skip(0), 50, 0).await, expected);
}

async fn places_are_skipped_and_pages_are_as_long_as_asked_for(database: TestDatabase) {
    let storage = database.open();
    let expected = ties(&*storage).await;
    for skipped in 0..9 {
        for limit in [0, 1, 3, 50] {
            let found = page(&*storage, ALL, PageStart::Skip(skipped as u64), limit, 0).await;
            let expected: Vec<_> = expected.iter().copied().skip(skipped).take(limit as usize).collect();
            assert_eq!(found, expected, "{limit} after {skipped}");
        }
    }
    assert!(page(&*storage, ALL, PageStart::Skip(u64::MAX), u32::MAX, 0).await.is_empty());
}

async fn a_list_from_cursor_to_cursor_has_each_session_once(database: TestDatabase) {
    let storage = database.open();
    let expected = ties(&*storage).await;
    for limit in [1, 2, 3, 7, 50] {
        assert_eq!(list(&*storage, ALL, limit, async |_| ()).await, expected, "{limit}");
    }
    // Many, nearly all of one moment.
    let more = user(&*storage, "more").await.id;
    Intruder::new(&database).add_sessions(more, 500);
    let of_more = SessionFilter { user: Some(more), ..ALL };
    for limit in [7, 100] {
        let met = list(&*storage, of_more, limit, async |_| ()).await;
        assert_eq!(met, (1_000_001..=1_000_500).collect::<Vec<_>>(), "{limit}");
        assert_eq!(list(&*storage, ALL, limit, async |_| ()).await.len(), 507);
    }
}

async fn a_list_from_cursor_to_cursor_has_each_session_once_while_others_come_and_go(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let mut ids = Vec::new();
    for number in 0..30_u128 {
        // Threes of one moment.
        let moment = at(-1_000 * (number as i64 / 3));
        ids.push(open(&*storage, ada, NewSession { at: moment, ..session(number) }).await.id);
    }
    let met = list(&*storage, ALL, 4, async |turn| {
        // One comes before the place where the list is, one after it; one that is to come is ended, and one that was
        // met.
        open(&*other, grace, NewSession { at: at(60_000), ..session(1_000 + turn) }).await;
        open(&*other, grace, NewSession { at: at(-60_000), ..session(2_000 + turn) }).await;
        for number in [29 - turn, turn] {
            if let Some(id) = ids.get(number as usize) {
                other.session_end(ada, *id, WHY, action(1)).await.unwrap();
            }
        }
    })
    .await;
    let distinct: BTreeSet<_> = met.iter().copied().collect();
    assert_eq!(distinct.len(), met.len(), "none is met twice: {met:?}");
    assert!((0..30).all(|number| distinct.contains(&number)), "none is missed: {met:?}");
    assert!(met.iter().all(|number| !(1_000..2_000).contains(number)), "the list does not go back: {met:?}");
}

async fn a_cursor_is_good_without_its_session(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let mut made = Vec::new();
    for number in 1..=3 {
        made.push(open(&*storage, ada, NewSession { at: at(-(number as i64)), ..session(number) }).await);
    }
    let cursor = SessionCursor::from(&made[1]);
    storage.session_end(ada, made[1].id, WHY, action(1)).await.unwrap();
    assert_eq!(storage.prune_sessions(at(2)).await.unwrap(), 1);
    assert_eq!(page(&*storage, ALL, PageStart::After(cursor), 9, 2).await, [3]);
    let active = SessionFilter { active: Some(true), ..ALL };
    assert_eq!(page(&*storage, active, PageStart::After(SessionCursor::from(&made[2])), 9, 2).await, [0_u128; 0]);
}
