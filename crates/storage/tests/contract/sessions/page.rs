//! Reading sessions, and recording their use.

use thunderhead_domain::id::SessionId;
use thunderhead_domain::ports::PageRequest;
use thunderhead_domain::session::{NewSession, SessionKey, SessionStatus};
use thunderhead_domain::switch::{KillSwitch, SwitchSet};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{WHY, action, at, digest, first, open, session, user, uuid};

on_both_engines!(async:
    authority_is_the_session_with_its_user_and_the_switches,
    a_key_that_fits_no_session_gives_the_switches_alone,
    a_session_under_another_user_is_no_session,
    authority_shows_ended_and_expired_sessions_as_they_are,
    only_live_sessions_are_found_and_listed,
    sessions_are_listed_newest_first_by_creation_and_in_pages,
    a_use_is_recorded_at_most_once_a_minute,
    the_latest_use_of_a_batch_counts,
);

async fn authority_is_the_session_with_its_user_and_the_switches(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await;
    let made = open(&*storage, ada.id, NewSession { opaque: Some(digest(1)), ..session(1) }).await;
    for switches in [SwitchSet::NONE, SwitchSet::NONE.with(KillSwitch::Global)] {
        if switches != SwitchSet::NONE {
            storage.switch_set(KillSwitch::Global, true, action(1).into()).await.unwrap().unwrap();
        }
        for key in [SessionKey::Uuid(uuid(1), ada.id), SessionKey::Opaque(digest(1))] {
            let found = storage.session_authority(Some(key)).await.unwrap();
            let authenticated = found.authenticated.unwrap();
            assert_eq!(
                (authenticated.session, authenticated.user, found.switches),
                (made.clone(), ada.clone(), switches)
            );
        }
    }
}

async fn a_key_that_fits_no_session_gives_the_switches_alone(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    storage.switch_set(KillSwitch::AccountLogin, true, action(1).into()).await.unwrap().unwrap();
    for key in [None, Some(SessionKey::Uuid(uuid(2), ada)), Some(SessionKey::Opaque(digest(9)))] {
        let found = storage.session_authority(key).await.unwrap();
        assert_eq!((found.authenticated, found.switches), (None, SwitchSet::NONE.with(KillSwitch::AccountLogin)));
    }
}

async fn a_session_under_another_user_is_no_session(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let made = open(&*storage, ada, session(1)).await;
    let key = SessionKey::Uuid(uuid(1), grace);
    assert_eq!(storage.session_authority(Some(key)).await.unwrap().authenticated, None);
    assert_eq!(storage.session_find(grace, made.id, at(0)).await.unwrap(), None);
    assert_eq!(storage.session_page(grace, first(50), at(0)).await.unwrap().count, 0);
}

async fn authority_shows_ended_and_expired_sessions_as_they_are(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let made = open(&*storage, ada, session(1)).await;
    open(&*storage, ada, NewSession { expires_at: at(500), ..session(2) }).await;
    storage.session_end(ada, made.id, WHY, action(1)).await.unwrap();
    for (number, status) in [(1, SessionStatus::Ended), (2, SessionStatus::Expired)] {
        let key = SessionKey::Uuid(uuid(number), ada);
        let authenticated = storage.session_authority(Some(key)).await.unwrap().authenticated.unwrap();
        assert_eq!(authenticated.session.status(at(500)), status);
    }
}

async fn only_live_sessions_are_found_and_listed(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let pending = open(&*storage, ada, NewSession { second_factor_pending: true, ..session(1) }).await;
    let short = open(&*storage, ada, NewSession { expires_at: at(1_000), ..session(2) }).await;
    let ended = open(&*storage, ada, session(3)).await;
    storage.session_end(ada, ended.id, WHY, action(1)).await.unwrap();
    let at_now = async |now| {
        let page = storage.session_page(ada, first(50), at(now)).await.unwrap();
        assert_eq!(page.count, page.items.len() as u64);
        page.items
    };
    assert_eq!(at_now(999).await, [short.clone(), pending.clone()]);
    assert_eq!(at_now(1_000).await, std::slice::from_ref(&pending));
    for (id, now, found) in [
        (pending.id, 1_000, Some(pending.clone())),
        (short.id, 999, Some(short.clone())),
        (short.id, 1_000, None),
        (ended.id, 2, None),
        (SessionId::from_number(1), 0, None),
    ] {
        assert_eq!(storage.session_find(ada, id, at(now)).await.unwrap(), found);
    }
}

async fn sessions_are_listed_newest_first_by_creation_and_in_pages(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    // The second gets an id before the first's, but is the newer one; the third is older than both.
    for (number, millis) in [(1, 100), (2, 200), (3, -5_000), (4, 200)] {
        open(&*storage, ada, NewSession { at: at(millis), ..session(number) }).await;
    }
    let page = async |limit, offset| {
        let page = storage.session_page(ada, PageRequest { limit, offset }, at(300)).await.unwrap();
        assert_eq!(page.count, 4);
        page.items.into_iter().map(|session| session.uuid.0.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(page(50, 0).await, [4, 2, 1, 3]);
    assert_eq!(page(2, 0).await, [4, 2]);
    assert_eq!(page(2, 2).await, [1, 3]);
    assert_eq!(page(2, 3).await, [3]);
    assert!(page(2, 4).await.is_empty() && page(0, 0).await.is_empty() && page(50, u64::MAX).await.is_empty());
}

async fn a_use_is_recorded_at_most_once_a_minute(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let made = open(&*storage, ada, session(1)).await;
    for (used, stored) in [(1_000, 1_000), (60_999, 1_000), (61_000, 61_000), (5, 61_000), (999_000, 999_000)] {
        storage.session_record_uses(&[(uuid(1), at(used)), (uuid(99), at(used))]).await.unwrap();
        let session = storage.session_find(ada, made.id, at(0)).await.unwrap().unwrap();
        assert_eq!((session.used_at, session.updated_at), (Some(at(stored)), at(0)));
    }
    storage.session_record_uses(&[]).await.unwrap();
}

async fn the_latest_use_of_a_batch_counts(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let made = open(&*storage, ada, session(1)).await;
    storage.session_record_uses(&[(uuid(1), at(5)), (uuid(1), at(70_000)), (uuid(1), at(6))]).await.unwrap();
    let session = storage.session_find(ada, made.id, at(0)).await.unwrap().unwrap();
    assert_eq!(session.used_at, Some(at(70_000)));
}
