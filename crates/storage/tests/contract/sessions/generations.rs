//! Ending very many sessions of one user.

use std::sync::Arc;

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::change_authorization::{Evidence, PreconditionFailed};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{
    ChangeCursor, Invalidation, Invalidations, Page, PageRequest, PageStart, SessionFilter, Storage,
};
use thunderhead_domain::session::{Actor, EndReason, NewSession, Session, SessionKey, SessionStatus, State};
use thunderhead_domain::user::PasswordHash;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    FIRST_CREDENTIAL, Intruder, WHY, action, action_of, asked_by, at, at_once, first, live, live_everywhere, open,
    plain, recorded, session, stale_change, trail, user, uuid,
};

on_both_engines!(async:
    very_many_sessions_end_with_one_change_and_one_record,
    how_they_ended_is_told_the_same_before_and_after_their_rows_say_so,
    the_session_that_stays_stays_and_can_be_ended_later,
    a_ban_and_a_new_password_end_very_many_sessions_and_count_them,
    what_had_expired_is_not_ended_and_is_over_by_every_clock,
    sessions_that_are_opened_and_ended_meanwhile_are_counted_once,
    several_generations_end_one_after_the_other,
    replicas_write_each_end_once,
    a_thousand_sessions_are_ended_one_by_one,
    a_session_of_another_generation_is_not_live_for_anything,
);

/// More than are ended one by one.
const MANY: u32 = 1_200;
/// The first of those that were added by SQL.
const FIRST: u128 = 1_000_001;

/// A user with as many sessions, numbered from [`FIRST`] on, that last an hour.
async fn with_many(database: &TestDatabase, storage: &dyn Storage) -> UserId {
    let ada = user(storage, "ada").await.id;
    Intruder::new(database).add_sessions(ada, MANY);
    ada
}

async fn found(storage: &dyn Storage, number: u128) -> Session {
    let found = storage.session_find_any(uuid(number)).await.unwrap().unwrap();
    let with_user = storage.session_find_with_user(uuid(number)).await.unwrap().unwrap();
    assert_eq!((&with_user.session, with_user.user.id), (&found, found.user));
    found
}

async fn authority(storage: &dyn Storage, user: UserId, number: u128) -> Session {
    storage.session_authority(Some(SessionKey::Uuid(uuid(number), user))).await.unwrap().authenticated.unwrap().session
}

/// Has all ends written; returns how many rows that took.
async fn write_all(storage: &dyn Storage) -> u64 {
    let mut written = 0;
    loop {
        match storage.write_ends().await.unwrap() {
            0 => return written,
            batch => written += batch,
        }
    }
}

async fn very_many_sessions_end_with_one_change_and_one_record(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (with_many(&database, &*storage).await, user(&*storage, "grace").await.id);
    open(&*storage, grace, session(1)).await;
    let Invalidations { latest, .. } = storage.changes_since(&ChangeCursor::default()).await.unwrap();
    let by = action_of(Actor::User(grace), 5);
    assert_eq!(storage.session_end_all(ada, EndReason::RevokedByStaff, by.clone()).await.unwrap(), u64::from(MANY));
    let changes = storage.changes_since(&latest).await.unwrap();
    assert_eq!(changes.invalidations, [Invalidation::User(ada)]);
    let record = trail(&*storage).await.pop().unwrap();
    assert_eq!((record.kind, record.action), (AuditKind::SessionsEnded, by));
    assert_eq!((record.user, record.session), (Some(ada), None));
    assert_eq!(record.detail.as_deref(), Some("1200 revoked_by_staff"));
    assert_eq!(recorded(&*storage, AuditKind::SessionEnded).await, 0);
    assert!(live(&*storage, ada).await.is_empty());
    assert_eq!(live(&*storage, grace).await, [1]);
    assert_eq!(storage.session_end_all(ada, WHY, action(6)).await.unwrap(), 0);
    open(&*storage, ada, session(2)).await;
    assert_eq!(live(&*storage, ada).await, [2]);
    assert_eq!(live_everywhere(&*storage, 6).await.len(), 2);
}

async fn how_they_ended_is_told_the_same_before_and_after_their_rows_say_so(database: TestDatabase) {
    let storage = database.open();
    let ada = with_many(&database, &*storage).await;
    let by = action_of(Actor::User(ada), 7);
    storage.session_end_all(ada, EndReason::Revoked, by.clone()).await.unwrap();
    let told = async || {
        let filter = |active| SessionFilter { user: Some(ada), active, ..SessionFilter::default() };
        let mut listed = Vec::new();
        let mut counts = Vec::new();
        for active in [None, Some(true), Some(false)] {
            let all = storage.session_list(filter(active), PageStart::Skip(0), 2_000, at(8)).await.unwrap();
            listed.push(all);
            counts.push(storage.session_count(filter(active), at(8)).await.unwrap());
        }
        let list = storage.session_page(ada, first(9), at(8)).await.unwrap();
        (listed, counts, list, found(&*storage, FIRST).await, authority(&*storage, ada, FIRST).await)
    };
    let before = told().await;
    assert_eq!(before.1, [u64::from(MANY), 0, u64::from(MANY)]);
    assert!(
        before.0[0].iter().all(|authenticated| authenticated.session.state == State::Ended(by.end(EndReason::Revoked)))
    );
    assert_eq!(before.2, Page { count: 0, items: vec![] });
    assert_eq!((before.3.state, before.3.updated_at), (State::Ended(by.end(EndReason::Revoked)), at(7)));
    // A row each, and the generation itself.
    assert_eq!(write_all(&*storage).await, u64::from(MANY) + 1);
    assert_eq!(told().await, before);
}

async fn the_session_that_stays_stays_and_can_be_ended_later(database: TestDatabase) {
    let storage = database.open();
    let ada = with_many(&database, &*storage).await;
    let own = open(&*storage, ada, session(1)).await;
    let ended = storage.session_end_others(ada, uuid(1), EndReason::Revoked, action(1)).await.unwrap();
    assert_eq!(ended, u64::from(MANY));
    assert_eq!(live(&*storage, ada).await, [1]);
    assert_eq!(authority(&*storage, ada, 1).await, own);
    assert_eq!(storage.session_find(ada, own.id, at(2)).await.unwrap(), Some(own.clone()));
    let other = NewSession { at: at(2), ..session(2) };
    storage.session_open_from(ada, other, plain(ada, 1, 2)).await.unwrap().unwrap();
    write_all(&*storage).await;
    assert_eq!(live(&*storage, ada).await, [2, 1]);
    assert_eq!(storage.session_end_all(ada, WHY, action(3)).await.unwrap(), 2);
    assert_eq!(found(&*storage, 1).await.state, State::Ended(action(3).end(WHY)));
}

async fn a_ban_and_a_new_password_end_very_many_sessions_and_count_them(database: TestDatabase) {
    let storage = database.open();
    let ada = with_many(&database, &*storage).await;
    open(&*storage, ada, session(1)).await;
    let hash = PasswordHash::new("another".to_owned());
    let own = asked_by(ada, 1, Evidence::Password(FIRST_CREDENTIAL), 1);
    let outcome = storage.account_set_password(ada, hash, own).await.unwrap().unwrap();
    assert_eq!(outcome.sessions_ended, u64::from(MANY));
    assert_eq!(live(&*storage, ada).await, [1]);
    assert_eq!(recorded(&*storage, AuditKind::PasswordChanged).await, 1);
    let mut intruder = Intruder::new(&database);
    intruder.run("UPDATE sessions SET generation = 1");
    let banned = storage.account_ban(ada, None, action(2).into()).await.unwrap().unwrap();
    assert_eq!(banned.sessions_ended, u64::from(MANY) + 1);
    assert!(banned.user.unwrap().banned_at.is_some());
    assert_eq!(recorded(&*storage, AuditKind::AccountBanned).await, 1);
    storage.account_unban(ada, action(3).into()).await.unwrap().unwrap();
    assert_eq!(found(&*storage, FIRST).await.state, State::Ended(action(2).end(EndReason::Banned)));
    assert!(live(&*storage, ada).await.is_empty());
}

async fn what_had_expired_is_not_ended_and_is_over_by_every_clock(database: TestDatabase) {
    let storage = database.open();
    let ada = with_many(&database, &*storage).await;
    open(&*storage, ada, NewSession { expires_at: at(50), ..session(1) }).await;
    assert_eq!(storage.session_end_all(ada, WHY, action(100)).await.unwrap(), u64::from(MANY));
    let read = async || [found(&*storage, 1).await, authority(&*storage, ada, 1).await];
    for written in [false, true] {
        if written {
            assert_eq!(write_all(&*storage).await, u64::from(MANY) + 2);
        }
        for session in read().await {
            assert_eq!(session.state, State::Expired, "{written}");
            // By the clock of a replica that is behind, too.
            assert_eq!(session.status(at(40)), SessionStatus::Expired);
        }
        let active = SessionFilter { active: Some(true), ..SessionFilter::default() };
        assert_eq!(storage.session_count(active, at(40)).await.unwrap(), 0);
        assert!(storage.session_page(ada, first(9), at(40)).await.unwrap().items.is_empty());
    }
    // It is forgotten by the time at which it expired.
    assert_eq!(storage.prune_sessions(at(50)).await.unwrap(), 0);
    assert_eq!(storage.prune_sessions(at(51)).await.unwrap(), 1);
    assert_eq!(storage.session_find_any(uuid(1)).await.unwrap(), None);
    assert_eq!(storage.session_find_with_user(uuid(1)).await.unwrap(), None);
}

async fn sessions_that_are_opened_and_ended_meanwhile_are_counted_once(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = with_many(&database, &*replicas[0]).await;
    let own = open(&*replicas[0], ada, session(1)).await;
    let counts = at_once((0..40_u128).map(|turn| {
        let storage: Arc<dyn Storage> = replicas[turn as usize % 2].clone();
        async move {
            match turn % 10 {
                0 => storage.session_end_others(ada, uuid(1), WHY, action(1)).await.unwrap(),
                1..6 => {
                    open(&*storage, ada, session(100 + turn)).await;
                    0
                }
                _ => {
                    let id = thunderhead_domain::id::SessionId::from_number(turn as i64 + 1);
                    u64::from(storage.session_end(ada, id, WHY, action(1)).await.unwrap())
                }
            }
        }
    }))
    .await;
    let left = live(&*replicas[0], ada).await;
    assert_eq!(counts.iter().sum::<u64>() + left.len() as u64, u64::from(MANY) + 1 + 20);
    assert!(left.contains(&1), "{left:?}");
    assert_eq!(found(&*replicas[0], 1).await, own);
}

async fn several_generations_end_one_after_the_other(database: TestDatabase) {
    let storage = database.open();
    let ada = with_many(&database, &*storage).await;
    storage.session_end_all(ada, EndReason::Revoked, action(1)).await.unwrap();
    let mut intruder = Intruder::new(&database);
    intruder.run("UPDATE sessions SET generation = 1 WHERE id > 100");
    storage.session_end_all(ada, EndReason::Operator, action(2)).await.unwrap();
    for _ in 0..2 {
        let states = [found(&*storage, FIRST).await.state, found(&*storage, FIRST + 500).await.state];
        let ends = [action(1).end(EndReason::Revoked), action(2).end(EndReason::Operator)].map(State::Ended);
        assert_eq!(states, ends);
        write_all(&*storage).await;
    }
    assert_eq!(storage.write_ends().await.unwrap(), 0);
}

async fn replicas_write_each_end_once(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = with_many(&database, &*replicas[0]).await;
    replicas[0].session_end_all(ada, WHY, action(1)).await.unwrap();
    let written = at_once((0..4).map(|turn| {
        let storage = replicas[turn % 2].clone();
        async move { write_all(&*storage).await }
    }))
    .await;
    // Who finds all taken leaves them to the others; so some of it may be left.
    let rest = write_all(&*replicas[0]).await;
    assert_eq!(written.iter().sum::<u64>() + rest, u64::from(MANY) + 1);
}

async fn a_thousand_sessions_are_ended_one_by_one(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    Intruder::new(&database).add_sessions(ada, 1_000);
    assert_eq!(storage.session_end_all(ada, WHY, action(1)).await.unwrap(), 1_000);
    assert_eq!(recorded(&*storage, AuditKind::SessionEnded).await, 1_000);
    assert_eq!(recorded(&*storage, AuditKind::SessionsEnded).await, 0);
    assert_eq!(storage.write_ends().await.unwrap(), 0);
}

async fn a_session_of_another_generation_is_not_live_for_anything(database: TestDatabase) {
    let storage = database.open();
    let ada = with_many(&database, &*storage).await;
    let own = open(&*storage, ada, NewSession { opaque: Some(crate::support::digest(1)), ..session(1) }).await;
    storage.session_end_all(ada, WHY, action(1)).await.unwrap();
    assert_eq!(storage.session_find(ada, own.id, at(2)).await.unwrap(), None);
    assert!(!storage.session_end(ada, own.id, WHY, action(2)).await.unwrap());
    assert_eq!(storage.session_extend(uuid(1), at(9_000_000), action(2)).await.unwrap(), None);
    let from = storage.session_open_from(ada, session(2), plain(ada, 1, 2)).await.unwrap();
    assert_eq!(from.map(drop), stale_change(PreconditionFailed::SessionEnded));
    assert_eq!(storage.session_end_everywhere(at(1), WHY, action(2)).await.unwrap(), 0);
    storage.session_record_uses(&[(uuid(1), at(2))]).await.unwrap();
    assert_eq!(found(&*storage, 1).await.state, State::Ended(action(1).end(WHY)));
    let opaque = storage.session_authority(Some(SessionKey::Opaque(crate::support::digest(1)))).await.unwrap();
    assert_eq!(opaque.authenticated.unwrap().session.status(at(2)), SessionStatus::Ended);
    let page = PageRequest { limit: 9, offset: 0 };
    assert_eq!(storage.session_page(ada, page, at(2)).await.unwrap(), Page { count: 0, items: vec![] });
}
