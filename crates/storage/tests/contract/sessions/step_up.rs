//! Stepping up sessions by a second factor, and letting them last longer.

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::change_authorization::{PreconditionFailed, Refusal};
use thunderhead_domain::factor::FactorUse;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::Storage;
use thunderhead_domain::session::{Actor, Authentication, Method, NewSession, Session, SessionKey, SessionStatus};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    FIRST_STEP, Picture, WHY, action, action_of, at, at_once, codes, digest, enrol, factor_id, keys, open, recorded,
    session, stale_change, step, stepping_up, totp, trail, used_budget, user, uuid, webauthn,
};

on_both_engines!(async:
    a_session_is_stepped_up_by_each_kind_of_factor_and_has_none_pending_from_then_on,
    a_session_that_has_nothing_pending_is_stepped_up_again,
    a_stepped_up_session_clears_the_failure_budget_and_leaves_a_record,
    a_session_that_is_not_open_is_not_stepped_up,
    a_session_is_not_stepped_up_by_what_was_used_or_is_somebody_elses,
    of_many_who_step_sessions_up_by_one_code_at_once_one_succeeds,
    all_who_step_one_session_up_at_once_by_codes_of_their_own_succeed,
    a_live_session_with_an_opaque_token_lasts_longer,
    a_session_is_never_shortened_nor_extended_without_an_opaque_token,
    a_session_that_is_not_live_is_not_extended,
    of_many_extensions_at_once_the_longest_counts,
    a_session_is_extended_before_its_end_or_never,
);

/// A user with a TOTP factor (1), a security key (2) that counts from 5 on, and backup codes from 0 on.
async fn ada(storage: &dyn Storage) -> UserId {
    let ada = user(storage, "ada").await.id;
    enrol(storage, ada, totp(1), codes(0)).await;
    enrol(storage, ada, webauthn(2, 5), vec![]).await;
    ada
}

fn pending(number: u128) -> NewSession {
    NewSession { second_factor_pending: true, ..session(number) }
}

async fn step_up(storage: &dyn Storage, user: UserId, number: u128, used: FactorUse) -> Result<Session, Refusal> {
    storage
        .session_step_up(user, uuid(number), stepping_up(user, used), action_of(Actor::User(user), 10))
        .await
        .unwrap()
}

async fn stored(storage: &dyn Storage, number: u128) -> Session {
    storage.session_find_any(uuid(number)).await.unwrap().unwrap()
}

async fn a_session_is_stepped_up_by_each_kind_of_factor_and_has_none_pending_from_then_on(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let ada = ada(&*storage).await;
    let key = FactorUse::Webauthn { factor: factor_id(2), sign_count: 6, credential: "moved".to_owned() };
    for (number, used, method) in [
        (1, step(1, FIRST_STEP + 1), Method::Totp),
        (2, key, Method::Webauthn),
        (3, FactorUse::Backup(digest(4)), Method::LookupSecret),
    ] {
        let made = open(&*storage, ada, NewSession { opaque: Some(digest(number as u8)), ..pending(number) }).await;
        assert_eq!(made.status(at(10)), SessionStatus::SecondFactorPending);
        let stepped_up = step_up(&*storage, ada, number, used.clone()).await.unwrap();
        let mut authentications = made.authentications.clone();
        authentications.push(Authentication { method, at: at(10) });
        assert_eq!(stepped_up, Session { authentications, second_factor_pending: false, updated_at: at(10), ..made });
        assert_eq!(stepped_up.status(at(10)), SessionStatus::Live);
        for key in [SessionKey::Uuid(uuid(number), ada), SessionKey::Opaque(digest(number as u8))] {
            assert_eq!(other.session_authority(Some(key)).await.unwrap().authenticated.unwrap().session, stepped_up);
        }
    }
    let left = keys(&*other, ada).await;
    assert_eq!((left.totp[0].last_step, left.webauthn[0].sign_count), (FIRST_STEP + 1, 6));
    assert_eq!(left.webauthn[0].credential, "moved");
    assert_eq!(left.backup.own, codes(0).into_iter().filter(|code| *code != digest(4)).collect::<Vec<_>>());
    let factor = storage.factor_find(ada, factor_id(1)).await.unwrap().unwrap();
    assert_eq!((factor.used_at, factor.updated_at), (Some(at(10)), at(10)));
}

async fn a_session_that_has_nothing_pending_is_stepped_up_again(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    open(&*storage, ada, session(1)).await;
    for turn in 1..=3 {
        let stepped_up = step_up(&*storage, ada, 1, step(1, FIRST_STEP + turn)).await.unwrap();
        assert_eq!(stepped_up.authentications.len(), 2, "the latest of each method");
        assert_eq!(stored(&*storage, 1).await, stepped_up);
    }
}

async fn a_stepped_up_session_clears_the_failure_budget_and_leaves_a_record(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    let grace = user(&*storage, "grace").await.id;
    open(&*storage, ada, pending(1)).await;
    for user in [ada, grace] {
        assert_eq!(used_budget(&*storage, user).await, 0);
    }
    assert_eq!(step_up(&*storage, ada, 1, step(1, FIRST_STEP)).await, stale_change(PreconditionFailed::AnswerSpent));
    assert_eq!(used_budget(&*storage, ada).await, 1, "its factor is still pending");
    step_up(&*storage, ada, 1, step(1, FIRST_STEP + 1)).await.unwrap();
    assert_eq!(used_budget(&*storage, ada).await, 0);
    assert_eq!(used_budget(&*storage, grace).await, 1);
    let record = trail(&*storage).await.pop().unwrap();
    assert_eq!((record.kind, record.action), (AuditKind::SessionSteppedUp, action_of(Actor::User(ada), 10)));
    assert_eq!((record.user, record.session, record.detail), (Some(ada), Some(uuid(1)), None));
    assert_eq!(recorded(&*storage, AuditKind::SessionSteppedUp).await, 1);
}

async fn a_session_that_is_not_open_is_not_stepped_up(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    let grace = user(&*storage, "grace").await.id;
    let ended = open(&*storage, ada, pending(1)).await;
    storage.session_end(ada, ended.id, WHY, action(1)).await.unwrap();
    open(&*storage, ada, NewSession { expires_at: at(10), ..pending(2) }).await;
    open(&*storage, grace, pending(3)).await;
    open(&*storage, ada, pending(4)).await;
    let before = Picture::take(&*storage, &[ada, grace], &[]).await;
    for used in [step(1, FIRST_STEP + 1), FactorUse::Backup(digest(0))] {
        for (number, why) in [(1, "ended"), (2, "expired"), (3, "another's"), (99, "unknown")] {
            assert_eq!(
                step_up(&*storage, ada, number, used.clone()).await,
                stale_change(PreconditionFailed::SessionEnded),
                "{why}"
            );
        }
        assert_eq!(step_up(&*storage, UserId::from_number(1), 4, used).await, Err(Refusal::Gone));
    }
    assert_eq!(Picture::take(&*storage, &[ada, grace], &[]).await, before);
    storage.account_ban(ada, None, action(5).into()).await.unwrap().unwrap();
    let before = Picture::take(&*storage, &[ada, grace], &[]).await;
    assert_eq!(step_up(&*storage, ada, 4, step(1, FIRST_STEP + 1)).await, stale_change(PreconditionFailed::Banned));
    assert_eq!(Picture::take(&*storage, &[ada, grace], &[]).await, before);
}

async fn a_session_is_not_stepped_up_by_what_was_used_or_is_somebody_elses(database: TestDatabase) {
    let storage = database.open();
    let ada = ada(&*storage).await;
    let grace = user(&*storage, "grace").await.id;
    enrol(&*storage, grace, totp(3), codes(50)).await;
    for number in [1, 2] {
        open(&*storage, ada, pending(number)).await;
    }
    for used in [step(1, FIRST_STEP + 3), FactorUse::Backup(digest(0))] {
        step_up(&*storage, ada, 1, used).await.unwrap();
    }
    let key = |factor| FactorUse::Webauthn { factor: factor_id(factor), sign_count: 5, credential: "moved".to_owned() };
    let before = Picture::take(&*storage, &[ada, grace], &[]).await;
    for used in [
        step(1, FIRST_STEP + 3),
        step(1, FIRST_STEP + 2),
        step(2, FIRST_STEP + 9),
        step(3, FIRST_STEP + 9),
        step(77, FIRST_STEP + 9),
        FactorUse::Backup(digest(0)),
        FactorUse::Backup(digest(50)),
        FactorUse::Backup(digest(255)),
        key(1),
        key(2),
        key(77),
    ] {
        assert_eq!(
            step_up(&*storage, ada, 2, used.clone()).await,
            stale_change(PreconditionFailed::AnswerSpent),
            "{used:?}"
        );
    }
    assert_eq!(Picture::take(&*storage, &[ada, grace], &[]).await, before);
    assert!(stored(&*storage, 2).await.second_factor_pending);
}

async fn of_many_who_step_sessions_up_by_one_code_at_once_one_succeeds(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = ada(&*replicas[0]).await;
    for number in 0..5 {
        open(&*replicas[0], ada, pending(number)).await;
    }
    for used in [step(1, FIRST_STEP + 1), FactorUse::Backup(digest(0))] {
        let outcomes = at_once((0..50_u128).map(|turn| {
            let (storage, used) = (replicas[turn as usize % 2].clone(), used.clone());
            async move { step_up(&*storage, ada, turn % 5, used).await }
        }))
        .await;
        let spent =
            outcomes.iter().filter(|outcome| **outcome == stale_change(PreconditionFailed::AnswerSpent)).count();
        assert_eq!((outcomes.iter().filter(|outcome| outcome.is_ok()).count(), spent), (1, 49));
    }
    assert_eq!(recorded(&*replicas[0], AuditKind::SessionSteppedUp).await, 2);
    let mut proofs = 0;
    for number in 0..5 {
        proofs += stored(&*replicas[0], number).await.authentications.len() - 1;
    }
    assert_eq!(proofs, 2);
}

async fn all_who_step_one_session_up_at_once_by_codes_of_their_own_succeed(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = ada(&*replicas[0]).await;
    open(&*replicas[0], ada, pending(1)).await;
    let outcomes = at_once((0..10_u8).map(|code| {
        let storage = replicas[code as usize % 2].clone();
        async move { step_up(&*storage, ada, 1, FactorUse::Backup(digest(code))).await }
    }))
    .await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(stored(&*replicas[0], 1).await.authentications.len(), 2, "the latest of each method");
    assert!(keys(&*replicas[0], ada).await.backup.own.is_empty());
}

/// A session with an opaque token, which lasts for a second.
fn short(number: u128) -> NewSession {
    NewSession { opaque: Some(digest(number as u8)), expires_at: at(1_000), ..session(number) }
}

async fn extend(storage: &dyn Storage, session: SessionUuid, until: i64, millis: i64) -> Option<Session> {
    storage.session_extend(session, at(until), action(millis)).await.unwrap()
}

async fn a_live_session_with_an_opaque_token_lasts_longer(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let ada = user(&*storage, "ada").await.id;
    let made = open(&*storage, ada, short(1)).await;
    let pending = open(&*storage, ada, NewSession { second_factor_pending: true, ..short(2) }).await;
    for session in [made, pending] {
        let expected = Session { expires_at: at(9_000), updated_at: at(999), ..session };
        assert_eq!(extend(&*storage, expected.uuid, 9_000, 999).await.as_ref(), Some(&expected));
        assert_eq!(other.session_find_any(expected.uuid).await.unwrap().as_ref(), Some(&expected));
        let record = trail(&*storage).await.pop().unwrap();
        assert_eq!((record.kind, record.action), (AuditKind::SessionExtended, action(999)));
        assert_eq!((record.user, record.session), (Some(ada), Some(expected.uuid)));
        assert_eq!(record.detail, Some(at(9_000).to_string()));
    }
}

async fn a_session_is_never_shortened_nor_extended_without_an_opaque_token(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let made = open(&*storage, ada, short(1)).await;
    let signed = open(&*storage, ada, NewSession { opaque: None, ..short(2) }).await;
    for (session, until) in [(&made, 999), (&made, 1_000), (&made, 0), (&signed, 9_000), (&signed, 5)] {
        let told = extend(&*storage, session.uuid, until, 10).await;
        assert_eq!(told.as_ref(), Some(session), "{until}");
        assert_eq!(&stored(&*storage, session.uuid.0.as_u128()).await, session);
    }
    assert_eq!(recorded(&*storage, AuditKind::SessionExtended).await, 0);
}

async fn a_session_that_is_not_live_is_not_extended(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let ended = open(&*storage, ada, short(1)).await;
    storage.session_end(ada, ended.id, WHY, action(1)).await.unwrap();
    open(&*storage, ada, short(2)).await;
    open(&*storage, grace, short(3)).await;
    storage.account_ban(grace, None, action(1).into()).await.unwrap().unwrap();
    let before = Picture::take(&*storage, &[ada, grace], &[]).await;
    for (number, millis, why) in
        [(1, 10, "ended"), (2, 1_000, "expired"), (3, 10, "its user is banned"), (99, 10, "there is none")]
    {
        assert_eq!(extend(&*storage, uuid(number), 9_000, millis).await, None, "{why}");
    }
    assert_eq!(Picture::take(&*storage, &[ada, grace], &[]).await, before);
}

async fn of_many_extensions_at_once_the_longest_counts(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    open(&*replicas[0], ada, short(1)).await;
    let told = at_once((0..30_i64).map(|turn| {
        let storage = replicas[turn as usize % 2].clone();
        let until = 2_000 + 1_000 * (turn * 7 % 30);
        async move { (at(until), extend(&*storage, uuid(1), until, 10).await.unwrap().expires_at) }
    }))
    .await;
    assert!(told.iter().all(|(asked, lasts)| lasts >= asked), "{told:?}");
    assert_eq!(stored(&*replicas[0], 1).await.expires_at, at(31_000));
    let extended: Vec<_> = trail(&*replicas[0]).await.into_iter().filter_map(|record| record.detail).collect();
    assert!(extended.is_sorted(), "each was longer than the one before: {extended:?}");
}

async fn a_session_is_extended_before_its_end_or_never(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    for round in 0..10_u128 {
        let made = open(&*replicas[0], ada, short(round)).await;
        let seen = trail(&*replicas[0]).await.len();
        let storage = replicas[1].clone();
        let ending = tokio::spawn(async move { storage.session_end(ada, made.id, WHY, action(5)).await.unwrap() });
        at_once((0..4).map(|turn| {
            let storage = replicas[turn % 2].clone();
            async move { extend(&*storage, uuid(round), 2_000 + turn as i64, 5).await }
        }))
        .await;
        assert!(ending.await.unwrap());
        let kinds: Vec<_> = trail(&*replicas[0]).await[seen..].iter().map(|record| record.kind).collect();
        assert_eq!(kinds.last(), Some(&AuditKind::SessionEnded), "{kinds:?}");
        assert_eq!(stored(&*replicas[0], round).await.status(at(5)), SessionStatus::Ended);
    }
}
