//! What the operator does to the sessions of all users.

use std::time::Duration;

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::session::{Actor, EndReason, NewSession, State};
use thunderhead_storage::{StorageSettings, connect};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    Intruder, WHY, action, action_of, at, at_once, live, live_everywhere, open, recorded, session, trail, user, uuid,
};

on_both_engines!(async:
    a_session_is_found_by_its_uuid_whatever_its_state,
    everybodys_sessions_from_before_a_moment_are_ended,
    thousands_of_sessions_are_ended_with_a_record_for_many,
    where_there_is_nothing_to_end_nothing_is_recorded,
    ends_everywhere_and_of_one_user_at_once_are_counted_once,
    the_end_of_all_sessions_waits_for_a_locked_user_and_skips_none,
);

async fn a_session_is_found_by_its_uuid_whatever_its_state(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let expired = open(&*storage, ada, NewSession { expires_at: at(-1), ..session(1) }).await;
    let made = open(&*storage, ada, session(2)).await;
    assert_eq!(storage.session_find_any(uuid(1)).await.unwrap(), Some(expired));
    assert_eq!(storage.session_find_any(uuid(2)).await.unwrap(), Some(made.clone()));
    storage.session_end(ada, made.id, WHY, action(1)).await.unwrap();
    let ended = storage.session_find_any(uuid(2)).await.unwrap().unwrap();
    assert_eq!(ended.state, State::Ended(action(1).end(WHY)));
    assert_eq!(storage.session_find_any(uuid(3)).await.unwrap(), None);
}

async fn everybodys_sessions_from_before_a_moment_are_ended(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    for (user, number, millis) in [(ada, 1, 0), (grace, 2, 99), (ada, 3, 100), (grace, 4, 101)] {
        open(&*storage, user, NewSession { at: at(millis), ..session(number) }).await;
    }
    open(&*storage, grace, NewSession { expires_at: at(200), ..session(5) }).await;
    let by = action_of(Actor::CommandLine, 200);
    assert_eq!(storage.session_end_everywhere(at(100), EndReason::Operator, by.clone()).await.unwrap(), 2);
    assert_eq!((live(&*storage, ada).await, live(&*storage, grace).await), (vec![3], vec![4, 5]));
    let ended = storage.session_find_any(uuid(2)).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.updated_at), (State::Ended(by.end(EndReason::Operator)), at(200)));
    let record = trail(&*storage).await.pop().unwrap();
    assert_eq!(
        (record.kind, record.action, record.detail.as_deref()),
        (AuditKind::SessionsEnded, by, Some("2 operator"))
    );
    assert_eq!((record.user, record.session), (None, None));
}

async fn thousands_of_sessions_are_ended_with_a_record_for_many(database: TestDatabase) {
    let storage = database.open();
    let mut intruder = Intruder::new(&database);
    let ada = user(&*storage, "ada").await.id;
    intruder.add_sessions(ada, 4_100);
    for number in 0..50 {
        let other = user(&*storage, &format!("user{number}")).await.id;
        open(&*storage, other, session(number)).await;
    }
    assert_eq!(storage.session_end_everywhere(at(1), WHY, action(2)).await.unwrap(), 4_150);
    assert!(live_everywhere(&*storage, 2).await.is_empty());
    let records = trail(&*storage).await.into_iter().filter(|record| record.kind == AuditKind::SessionsEnded);
    let told: Vec<_> = records.map(|record| (record.user, record.detail.unwrap())).collect();
    assert_eq!(told, [(Some(ada), "4100 operator".to_owned()), (None, "50 operator".to_owned())]);
    assert_eq!(recorded(&*storage, AuditKind::SessionEnded).await, 0);
}

async fn where_there_is_nothing_to_end_nothing_is_recorded(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    assert_eq!(storage.session_end_everywhere(at(0), WHY, action(2)).await.unwrap(), 0);
    assert_eq!(recorded(&*storage, AuditKind::SessionsEnded).await, 0);
}

async fn ends_everywhere_and_of_one_user_at_once_are_counted_once(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let mut users = Vec::new();
    for number in 0..10_u128 {
        let id = user(&*replicas[0], &format!("user{number}")).await.id;
        for more in 0..5 {
            open(&*replicas[0], id, session(number * 10 + more)).await;
        }
        users.push(id);
    }
    let counts = at_once((0..14).map(|turn| {
        let storage = replicas[turn % 2].clone();
        let user = users.get(turn).copied();
        async move {
            match user {
                Some(user) => storage.session_end_all(user, WHY, action(1)).await.unwrap(),
                None => storage.session_end_everywhere(at(1), WHY, action(1)).await.unwrap(),
            }
        }
    }))
    .await;
    assert_eq!(counts.iter().sum::<u64>(), 50);
}

async fn the_end_of_all_sessions_waits_for_a_locked_user_and_skips_none(database: TestDatabase) {
    let patient = database.open();
    let ada = user(&*patient, "ada").await.id;
    open(&*patient, ada, session(1)).await;
    let hasty = connect(&StorageSettings { deadline: Duration::from_millis(200), ..database.settings() }).unwrap();
    let mut intruder = Intruder::new(&database);
    intruder.lock(ada);
    let outcome = hasty.session_end_everywhere(at(1), WHY, action(1)).await;
    assert!(matches!(outcome, Err(StorageError::Outage(_))), "{outcome:?}");
    intruder.run("ROLLBACK");
    patient.session_end_everywhere(at(1), WHY, action(2)).await.unwrap();
    assert!(live(&*patient, ada).await.is_empty());
}
