//! Passes: what proxies are told of a session by.

use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::Storage;
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Grant, NewSession, SessionKey, SessionStatus};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{WHY, action, at, at_once, digest, open, session, trail, user, uuid};

on_both_engines!(async:
    a_session_is_found_by_its_pass_and_by_its_latest_alone,
    a_pass_leads_to_its_session_whatever_becomes_of_it,
    what_is_no_live_full_session_gets_no_pass,
    a_pass_is_no_token_and_a_token_no_pass,
    of_many_who_give_passes_at_once_one_stays_good,
);

async fn by_pass(storage: &dyn Storage, byte: u8) -> Option<AuthenticatedSession> {
    storage.session_authority(Some(SessionKey::Pass(digest(byte)))).await.unwrap().authenticated
}

async fn give(storage: &dyn Storage, user: UserId, number: u128, byte: u8) -> bool {
    storage.session_set_pass(uuid(number), user, digest(byte), at(5)).await.unwrap()
}

async fn a_session_is_found_by_its_pass_and_by_its_latest_alone(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let ada = user(&*storage, "ada").await.id;
    let (made, second) = (open(&*storage, ada, session(1)).await, open(&*storage, ada, session(2)).await);
    let records = trail(&*storage).await.len();
    assert!(give(&*storage, ada, 1, 7).await && give(&*storage, ada, 2, 8).await);
    let found = by_pass(&*other, 7).await.unwrap();
    assert_eq!((&found.session, found.user.id), (&made, ada), "nothing else of it has changed");
    assert!(give(&*storage, ada, 1, 9).await);
    assert_eq!(by_pass(&*other, 7).await, None);
    assert_eq!(by_pass(&*other, 9).await.unwrap().session, made);
    assert_eq!(by_pass(&*other, 8).await.unwrap().session, second);
    assert_eq!(trail(&*storage).await.len(), records);
}

async fn a_pass_leads_to_its_session_whatever_becomes_of_it(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    open(&*storage, ada, session(2)).await;
    assert!(give(&*storage, ada, 1, 7).await && give(&*storage, ada, 2, 8).await);
    storage.session_end_others(ada, uuid(2), WHY, action(6)).await.unwrap();
    assert_eq!(by_pass(&*storage, 7).await.unwrap().session.status(at(7)), SessionStatus::Ended);
    storage.account_ban(ada, None, action(8).into()).await.unwrap().unwrap();
    let banned = by_pass(&*storage, 8).await.unwrap();
    assert_eq!((banned.session.status(at(9)), banned.user.banned_at), (SessionStatus::Ended, Some(at(8))));
    storage.account_delete(ada, action(10).into()).await.unwrap().unwrap();
    assert_eq!((by_pass(&*storage, 7).await, by_pass(&*storage, 8).await), (None, None));
}

async fn what_is_no_live_full_session_gets_no_pass(database: TestDatabase) {
    let storage = database.open();
    let (ada, bob) = (user(&*storage, "ada").await.id, user(&*storage, "bob").await.id);
    let scoped = Grant::Scoped(ScopeSet::from_flags(1).unwrap());
    open(&*storage, ada, NewSession { grant: scoped, ..session(1) }).await;
    open(&*storage, ada, NewSession { second_factor_pending: true, ..session(2) }).await;
    open(&*storage, ada, NewSession { expires_at: at(5), ..session(3) }).await;
    let ended = open(&*storage, ada, session(4)).await;
    assert!(storage.session_end(ada, ended.id, WHY, action(4)).await.unwrap());
    open(&*storage, ada, session(5)).await;
    for (owner, number) in [(ada, 1), (ada, 2), (ada, 3), (ada, 4), (ada, 6), (bob, 5)] {
        assert!(!give(&*storage, owner, number, 7).await, "{number}");
    }
    assert_eq!(by_pass(&*storage, 7).await, None);
    assert!(give(&*storage, ada, 5, 7).await);
}

async fn a_pass_is_no_token_and_a_token_no_pass(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, NewSession { opaque: Some(digest(1)), ..session(1) }).await;
    assert!(give(&*storage, ada, 1, 7).await);
    let by_token = storage.session_authority(Some(SessionKey::Opaque(digest(7)))).await.unwrap();
    assert_eq!((by_token.authenticated, by_pass(&*storage, 1).await), (None, None));
}

async fn of_many_who_give_passes_at_once_one_stays_good(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    open(&*replicas[0], ada, session(1)).await;
    let given = at_once((0..20_u8).map(|byte| {
        let storage = replicas[usize::from(byte) % 2].clone();
        async move { give(&*storage, ada, 1, byte).await }
    }));
    assert_eq!(given.await, [true; 20]);
    let mut good = 0;
    for byte in 0..20 {
        good += u32::from(by_pass(&*replicas[0], byte).await.is_some());
    }
    assert_eq!(good, 1);
}
