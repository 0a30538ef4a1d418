//! Ending sessions.

use thunderhead_domain::id::{SessionId, UserId};
use thunderhead_domain::session::{Actor, EndReason, NewSession, SessionKey, State};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{FIRST_CREDENTIAL, WHY, action, action_of, at, at_once, live, open, session, user, uuid};

on_both_engines!(async:
    an_ended_session_keeps_when_by_whom_and_why,
    a_session_is_ended_once_however_often_it_is_asked_for,
    two_deletions_at_once_end_one_session_once,
    sessions_ended_at_once_are_counted_once,
    named_sessions_are_ended_and_unknown_and_repeated_ids_are_skipped,
    all_sessions_are_ended_but_no_other_users,
    all_sessions_but_one_are_ended,
    expired_sessions_cannot_be_ended,
    sessions_whose_second_factor_is_pending_can_be_ended,
    no_session_opened_before_the_end_of_all_survives_it,
    uses_are_recorded_while_sessions_are_being_ended,
);

async fn an_ended_session_keeps_when_by_whom_and_why(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let reasons = [
        EndReason::Revoked,
        EndReason::RevokedByStaff,
        EndReason::Banned,
        EndReason::PasswordChanged,
        EndReason::Operator,
    ];
    for (number, why) in (1..).zip(reasons) {
        let made = open(&*storage, ada, session(number)).await;
        let by_ada = action_of(Actor::User(ada), 7);
        assert!(storage.session_end(ada, made.id, why, by_ada.clone()).await.unwrap());
        assert_eq!(storage.session_find(ada, made.id, at(8)).await.unwrap(), None);
        let key = SessionKey::Uuid(made.uuid, ada);
        let stored = storage.session_authority(Some(key)).await.unwrap().authenticated.unwrap().session;
        assert_eq!((stored.state, stored.updated_at, stored.created_at), (State::Ended(by_ada.end(why)), at(7), at(0)));
    }
}

async fn a_session_is_ended_once_however_often_it_is_asked_for(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let made = open(&*storage, ada, session(1)).await;
    assert!(!storage.session_end(grace, made.id, WHY, action(1)).await.unwrap(), "it is another user's");
    assert!(!storage.session_end(UserId::from_number(1), made.id, WHY, action(1)).await.unwrap(), "nobody's");
    assert!(!storage.session_end(ada, SessionId::from_number(1), WHY, action(1)).await.unwrap(), "unknown");
    assert!(storage.session_end(ada, made.id, WHY, action(1)).await.unwrap());
    assert!(!storage.session_end(ada, made.id, WHY, action(2)).await.unwrap(), "ended before");
}

async fn two_deletions_at_once_end_one_session_once(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    for number in 0..20 {
        let id = open(&*replicas[0], ada, session(number)).await.id;
        let mut outcomes = at_once(
            replicas.clone().map(|storage| async move { storage.session_end(ada, id, WHY, action(1)).await.unwrap() }),
        )
        .await;
        outcomes.sort_unstable();
        assert_eq!(outcomes, [false, true]);
    }
}

async fn sessions_ended_at_once_are_counted_once(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    let mut ids = Vec::new();
    for number in 0..50 {
        ids.push(open(&*replicas[0], ada, session(number)).await.id);
    }
    let mut backwards = ids.clone();
    backwards.reverse();
    let counts = at_once((0..8).map(|turn| {
        let storage = replicas[turn % 2].clone();
        let ids = if turn < 4 { ids.clone() } else { backwards.clone() };
        async move { storage.session_end_some(ada, &ids, WHY, action(1)).await.unwrap() }
    }))
    .await;
    assert_eq!(counts.iter().sum::<u64>(), 50);
}

async fn named_sessions_are_ended_and_unknown_and_repeated_ids_are_skipped(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(open(&*storage, ada, session(number)).await.id);
    }
    let unknown = SessionId::from_number(5);
    assert_eq!(storage.session_end_some(ada, &[ids[0], unknown, ids[2], ids[0]], WHY, action(1)).await.unwrap(), 2);
    assert_eq!(storage.session_end_some(ada, &[ids[0], ids[3]], WHY, action(1)).await.unwrap(), 1);
    assert_eq!(storage.session_end_some(ada, &[], WHY, action(1)).await.unwrap(), 0);
    assert_eq!(live(&*storage, ada).await, [1]);
}

async fn all_sessions_are_ended_but_no_other_users(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    for number in 1..=3 {
        open(&*storage, ada, session(number)).await;
        open(&*storage, grace, session(10 + number)).await;
    }
    assert_eq!(storage.session_end_all(ada, WHY, action(1)).await.unwrap(), 3);
    assert_eq!(storage.session_end_all(ada, WHY, action(2)).await.unwrap(), 0);
    assert_eq!(storage.session_end_all(UserId::from_number(1), WHY, action(2)).await.unwrap(), 0);
    assert_eq!(live(&*storage, grace).await, [13, 12, 11]);
}

async fn all_sessions_but_one_are_ended(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for number in 1..=4 {
        open(&*storage, ada, session(number)).await;
    }
    assert_eq!(storage.session_end_others(ada, uuid(2), WHY, action(1)).await.unwrap(), 3);
    assert_eq!(storage.session_end_others(ada, uuid(2), WHY, action(2)).await.unwrap(), 0);
    assert_eq!(live(&*storage, ada).await, [2]);
}

async fn expired_sessions_cannot_be_ended(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let made = open(&*storage, ada, NewSession { expires_at: at(1_000), ..session(1) }).await;
    assert!(!storage.session_end(ada, made.id, WHY, action(1_000)).await.unwrap());
    assert_eq!(storage.session_end_some(ada, &[made.id], WHY, action(1_000)).await.unwrap(), 0);
    assert_eq!(storage.session_end_all(ada, WHY, action(1_000)).await.unwrap(), 0);
    assert_eq!(storage.session_end_others(ada, uuid(2), WHY, action(1_000)).await.unwrap(), 0);
    assert_eq!(storage.account_ban(ada, None, action(1_000).into()).await.unwrap().unwrap().sessions_ended, 0);
    assert!(storage.session_end(ada, made.id, WHY, action(999)).await.unwrap());
}

async fn sessions_whose_second_factor_is_pending_can_be_ended(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let made = open(&*storage, ada, NewSession { second_factor_pending: true, ..session(1) }).await;
    assert_eq!(live(&*storage, ada).await, [1]);
    assert!(storage.session_end(ada, made.id, WHY, action(1)).await.unwrap());
}

/// A ban is final: what was opened before is ended, what comes after is refused.
async fn no_session_opened_before_the_end_of_all_survives_it(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    for round in 0..10_u128 {
        let ada = user(&*replicas[0], &format!("ada{round}")).await.id;
        let opens = (0..20_u128).map(|number| {
            let storage = replicas[number as usize % 2].clone();
            let new = session(round * 100 + number);
            async move { u64::from(storage.session_open(ada, FIRST_CREDENTIAL, None, new).await.unwrap().is_ok()) }
        });
        let storage = replicas[1].clone();
        let ban = tokio::spawn(async move { storage.account_ban(ada, None, action(1).into()).await.unwrap().unwrap() });
        let opened: u64 = at_once(opens).await.into_iter().sum();
        assert_eq!(ban.await.unwrap().sessions_ended, opened);
        assert!(live(&*replicas[0], ada).await.is_empty());
    }
}

async fn uses_are_recorded_while_sessions_are_being_ended(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    for number in 0..50 {
        open(&*replicas[0], ada, session(number)).await;
    }
    let uses: Vec<_> = (0..50).map(|number| (uuid(number), at(100))).collect();
    let recording = at_once((0..6).map(|turn| {
        let (storage, uses) = (replicas[turn % 2].clone(), uses.clone());
        async move { storage.session_record_uses(&uses).await.unwrap() }
    }));
    let storage = replicas[1].clone();
    let ending = tokio::spawn(async move { storage.session_end_all(ada, WHY, action(1)).await.unwrap() });
    recording.await;
    assert_eq!(ending.await.unwrap(), 50);
}
