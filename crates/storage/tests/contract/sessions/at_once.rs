//! Many who open and end sessions at once: on SQLite they share commits, and each has an outcome of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use thunderhead_domain::change_authorization::PreconditionFailed;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{ChangeCursor, Invalidation, Storage};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{FIRST_CREDENTIAL, Intruder, WHY, action, at_once, live, open, session, stale_change, user};

on_both_engines!(async:
    of_many_who_log_in_at_once_those_who_are_refused_fail_alone,
    of_many_who_log_out_at_once_each_ends_a_session_and_leaves_a_change,
    who_signs_out_of_very_many_among_many_others_ends_them_all,
);

/// How many users there are, and how many sessions each opens and ends at once.
const USERS: u128 = 8;
const EACH: u128 = 8;

async fn users(storage: &dyn Storage) -> Vec<UserId> {
    let mut users = Vec::new();
    for number in 0..USERS {
        users.push(user(storage, &format!("user{number}")).await.id);
    }
    users
}

async fn of_many_who_log_in_at_once_those_who_are_refused_fail_alone(database: TestDatabase) {
    let storage = database.open();
    let users = users(&*storage).await;
    let logins = (0..USERS * EACH).map(|number| {
        let (storage, user) = (Arc::clone(&storage), users[(number / EACH) as usize]);
        // One of each has checked a password that is none any more.
        let outdated = number % EACH == number / EACH;
        let version = if outdated { FIRST_CREDENTIAL - 1 } else { FIRST_CREDENTIAL };
        async move { (number, outdated, storage.session_open(user, version, None, session(number)).await.unwrap()) }
    });
    let outcomes = at_once(logins).await;
    assert_eq!(outcomes.len() as u128, USERS * EACH);
    let mut opened = BTreeSet::new();
    for (number, outdated, outcome) in outcomes {
        if outdated {
            assert_eq!(outcome, stale_change(PreconditionFailed::PasswordChanged));
        } else {
            assert_eq!(outcome.unwrap().uuid.0.as_u128(), number);
            opened.insert(number);
        }
    }
    let mut found = BTreeSet::new();
    for user in users {
        found.extend(live(&*storage, user).await);
    }
    assert_eq!(found, opened);
}

async fn of_many_who_log_out_at_once_each_ends_a_session_and_leaves_a_change(database: TestDatabase) {
    let storage = database.open();
    let users = users(&*storage).await;
    let mut sessions = Vec::new();
    for number in 0..USERS * EACH {
        let user = users[(number / EACH) as usize];
        sessions.push((user, open(&*storage, user, session(number)).await.id));
        if number % EACH == 0 {
            // Somebody has been here before.
            assert!(storage.session_end(user, sessions[number as usize].1, WHY, action(1)).await.unwrap());
        }
    }
    let known = storage.changes_since(&ChangeCursor::default()).await.unwrap().latest;
    let logouts = sessions.into_iter().map(|(user, id)| {
        let storage = Arc::clone(&storage);
        async move { (user, storage.session_end(user, id, WHY, action(2)).await.unwrap()) }
    });
    let ended = at_once(logouts).await;
    assert_eq!(ended.iter().filter(|(_, ended)| *ended).count() as u128, USERS * (EACH - 1));
    let changes = storage.changes_since(&known).await.unwrap();
    assert_eq!(changes.latest.changes() - known.changes(), changes.invalidations.len() as i64, "without gaps");
    for user in users {
        let of_user = changes.invalidations.iter().filter(|change| **change == Invalidation::User(user)).count();
        assert_eq!(of_user as u128, EACH - 1);
        assert!(live(&*storage, user).await.is_empty());
    }
}

async fn who_signs_out_of_very_many_among_many_others_ends_them_all(database: TestDatabase) {
    const MANY: u32 = 120;
    let storage = database.open();
    let users = users(&*storage).await;
    Intruder::new(&database).add_sessions(users[0], MANY);
    for number in 0..USERS * EACH {
        open(&*storage, users[(number % USERS) as usize], session(number)).await;
    }
    let everybody = users.clone().into_iter().map(|user| {
        let storage = Arc::clone(&storage);
        async move { storage.session_end_all(user, WHY, action(1)).await.unwrap() }
    });
    let mut ended = at_once(everybody).await;
    ended.sort_unstable();
    assert_eq!(ended.pop(), Some(u64::from(MANY) + EACH as u64));
    assert!(ended.iter().all(|ended| *ended == EACH as u64));
    for user in users {
        assert!(live(&*storage, user).await.is_empty());
    }
}
