//! Sessions of a user that were ended of late.

use thunderhead_domain::session::{Actor, EndReason, NewSession, Session, State};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{Intruder, WHY, action, action_of, at, open, session, user};

on_both_engines!(async:
    what_ended_last_comes_first_and_nothing_else_comes,
    what_ended_together_comes_once_its_rows_say_so,
);

fn numbers(ended: &[Session]) -> Vec<u128> {
    ended.iter().map(|session| session.uuid.0.as_u128()).collect()
}

async fn what_ended_last_comes_first_and_nothing_else_comes(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let mut ids = Vec::new();
    for number in 1..=4 {
        ids.push(open(&*storage, ada, session(number)).await.id);
    }
    open(&*storage, ada, NewSession { expires_at: at(5), ..session(5) }).await;
    let hers = open(&*storage, grace, session(6)).await.id;
    for (index, moment) in [(1, 30), (0, 10), (2, 20)] {
        let by = action_of(Actor::User(ada), moment);
        assert!(storage.session_end(ada, ids[index], EndReason::Revoked, by).await.unwrap());
    }
    assert!(storage.session_end(grace, hers, WHY, action(40)).await.unwrap());
    let ended = storage.session_recently_ended(ada, 50, at(10)).await.unwrap();
    assert_eq!(numbers(&ended), [2, 3, 1]);
    let State::Ended(end) = ended[0].state else { panic!("{:?}", ended[0]) };
    assert_eq!((end.at, end.by, end.why), (at(30), Actor::User(ada), EndReason::Revoked));
    assert_eq!(numbers(&storage.session_recently_ended(ada, 2, at(10)).await.unwrap()), [2, 3]);
    // What had expired before the others were ended, nobody has ended.
    assert_eq!(storage.session_end_all(ada, WHY, action(50)).await.unwrap(), 1);
    assert_eq!(numbers(&storage.session_recently_ended(ada, 50, at(10)).await.unwrap()), [4, 2, 3, 1]);
}

async fn what_ended_together_comes_once_its_rows_say_so(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    Intruder::new(&database).add_sessions(ada, 1_200);
    assert_eq!(storage.session_end_all(ada, WHY, action(10)).await.unwrap(), 1_200);
    assert!(storage.session_recently_ended(ada, 10, at(10)).await.unwrap().is_empty());
    while storage.write_ends().await.unwrap() > 0 {}
    let ended = storage.session_recently_ended(ada, 10, at(10)).await.unwrap();
    assert_eq!(ended.len(), 10);
    assert!(
        ended.iter().all(|session| matches!(session.state, State::Ended(end) if end.at == at(10) && end.why == WHY))
    );
}
