//! Signing keys.

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::ports::{Resealed, SealedRow, SealedText, SigningKeyRecord, Storage, StorageError};
use thunderhead_domain::session::{Actor, NewSession};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{Intruder, WHY, action, action_of, at, at_once, open, recorded, session, trail, user};

on_both_engines!(async:
    of_replicas_that_start_at_once_one_stores_the_first_key,
    further_keys_are_listed_newest_first_and_recorded_by_their_id,
    a_key_whose_id_is_taken_is_a_defect_and_changes_nothing,
    replicas_that_add_keys_at_once_keep_them_all,
    first_and_further_keys_that_are_stored_at_once_all_see_what_came_before,
    a_key_is_forgotten_once_a_newer_one_has_signed_since_before_the_moment,
    the_key_that_signs_and_later_ones_are_kept_whatever_the_moment,
    a_key_is_kept_while_a_session_from_before_the_moment_is_live,
    retired_keys_are_forgotten_at_once_among_many_expired_sessions,
    replicas_that_forget_keys_at_once_delete_each_once,
    what_is_sealed_is_listed_and_replaced_where_it_is_still_the_same,
    replicas_that_seal_anew_at_once_replace_each_text_once,
);

/// A key that was made and signs from these moments on.
fn key(kid: &str, made: i64, signs_from: i64) -> SigningKeyRecord {
    SigningKeyRecord {
        kid: kid.to_owned(),
        sealed: format!("sealed {kid}"),
        created_at: at(made),
        signs_from: at(signs_from),
    }
}

/// Stores three keys: made at 0, 1,000 and 2,000, and signing from then, 1,100 and 2,100 on.
async fn three_keys(storage: &dyn Storage) {
    storage.signing_key_first(key("a", 0, 0)).await.unwrap();
    for (kid, made) in [("b", 1_000), ("c", 2_000)] {
        storage.signing_key_add(key(kid, made, made + 100), action(made)).await.unwrap();
    }
}

/// The ids of the stored keys, newest first.
async fn kids(storage: &dyn Storage) -> String {
    storage.signing_keys().await.unwrap().into_iter().map(|key| key.kid).collect()
}

async fn of_replicas_that_start_at_once_one_stores_the_first_key(database: TestDatabase) {
    let replicas = [database.open(), database.open(), database.open()];
    assert!(replicas[0].signing_keys().await.unwrap().is_empty());
    let seen = at_once((0..12).map(|turn| {
        let storage = replicas[turn % 3].clone();
        async move { storage.signing_key_first(key(&format!("key {turn}"), 0, 0)).await.unwrap() }
    }))
    .await;
    let stored = replicas[0].signing_keys().await.unwrap();
    assert_eq!(stored.len(), 1);
    assert!(seen.iter().all(|keys| *keys == stored), "{seen:?}");
    assert!(trail(&*replicas[0]).await.is_empty());
}

async fn further_keys_are_listed_newest_first_and_recorded_by_their_id(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let (oldest, newest) = (key("b", 5, 5), key("a", 7, 60_007));
    let alike = [key("c", 6, 9), key("d", 6, 8)];
    let by = action_of(Actor::CommandLine, 7);
    storage.signing_key_first(oldest.clone()).await.unwrap();
    assert_eq!(
        storage.signing_key_add(newest.clone(), by.clone()).await.unwrap(),
        [newest.clone(), oldest.clone()],
        "what was there before is returned too"
    );
    for key in alike.iter().rev() {
        other.signing_key_add(key.clone(), action(8)).await.unwrap();
    }
    let [one, two] = alike;
    assert_eq!(storage.signing_keys().await.unwrap(), [newest.clone(), one, two, oldest]);
    assert_eq!(storage.signing_key_first(key("e", 9, 9)).await.unwrap().len(), 4, "it is not the first any more");
    let records = trail(&*storage).await;
    assert_eq!((&records[0].action, records[0].kind), (&by, AuditKind::KeyRotated));
    assert!(records.iter().all(|record| record.user.is_none() && record.session.is_none()));
    assert_eq!(records.into_iter().map(|record| record.detail.unwrap()).collect::<String>(), "adc");
}

async fn a_key_whose_id_is_taken_is_a_defect_and_changes_nothing(database: TestDatabase) {
    let storage = database.open();
    storage.signing_key_first(key("a", 0, 0)).await.unwrap();
    let outcome = storage.signing_key_add(key("a", 1, 1), action(1)).await;
    assert!(matches!(outcome, Err(StorageError::Defect(_))), "{outcome:?}");
    assert_eq!(storage.signing_keys().await.unwrap(), [key("a", 0, 0)]);
    assert!(trail(&*storage).await.is_empty());
}

async fn replicas_that_add_keys_at_once_keep_them_all(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let seen = at_once((0..20).map(|turn| {
        let storage = replicas[turn % 2].clone();
        async move { storage.signing_key_add(key(&format!("key {turn}"), 0, 0), action(0)).await.unwrap().len() }
    }))
    .await;
    assert_eq!(replicas[0].signing_keys().await.unwrap().len(), 20);
    assert_eq!(seen.iter().sum::<usize>(), (1..=20).sum::<usize>(), "each saw its own and those before it: {seen:?}");
    assert_eq!(recorded(&*replicas[0], AuditKind::KeyRotated).await, 20);
}

async fn first_and_further_keys_that_are_stored_at_once_all_see_what_came_before(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    at_once((0..10).map(|turn| {
        let storage = replicas[turn % 2].clone();
        async move {
            let stored = key(&format!("key {turn}"), 0, 0);
            match turn % 5 {
                0 => storage.signing_key_add(stored, action(0)).await.unwrap(),
                _ => storage.signing_key_first(stored).await.unwrap(),
            }
        }
    }))
    .await;
    // The two that were added, and a first one unless they came before all others.
    let stored = replicas[0].signing_keys().await.unwrap().len();
    assert!((2..=3).contains(&stored), "{stored}");
}

async fn a_key_is_forgotten_once_a_newer_one_has_signed_since_before_the_moment(database: TestDatabase) {
    let storage = database.open();
    assert_eq!(storage.prune_signing_keys(at(9_000), at(9_000)).await.unwrap(), 0);
    three_keys(&*storage).await;
    for (millis, forgotten, left) in
        [(1_050, 0, "cba"), (1_100, 0, "cba"), (1_101, 1, "cb"), (2_100, 0, "cb"), (2_101, 1, "c"), (1_000_000, 0, "c")]
    {
        assert_eq!(storage.prune_signing_keys(at(millis), at(3_000_000)).await.unwrap(), forgotten, "{millis}");
        assert_eq!(kids(&*storage).await, left, "{millis}");
    }
    assert_eq!(recorded(&*storage, AuditKind::KeyRotated).await, 2, "to forget leaves no record");
}

async fn the_key_that_signs_and_later_ones_are_kept_whatever_the_moment(database: TestDatabase) {
    let storage = database.open();
    three_keys(&*storage).await;
    for (now, forgotten, left) in
        [(-1, 0, "cba"), (0, 0, "cba"), (1_099, 0, "cba"), (1_101, 1, "cb"), (2_000, 0, "cb"), (2_101, 1, "c")]
    {
        assert_eq!(storage.prune_signing_keys(at(9_000), at(now)).await.unwrap(), forgotten, "{now}");
        assert_eq!(kids(&*storage).await, left, "{now}");
    }
}

async fn a_key_is_kept_while_a_session_from_before_the_moment_is_live(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    three_keys(&*storage).await;
    let opened = |number, made, expires| NewSession { at: at(made), expires_at: at(expires), ..session(number) };
    open(&*storage, ada, opened(1, 4_999, 6_000)).await;
    let second = open(&*storage, ada, NewSession { second_factor_pending: true, ..opened(2, 4_000, 1_000_000) }).await;
    let third = open(&*storage, ada, opened(3, 5_000, 1_000_000)).await;
    // The second one is live until it is ended, whatever is pending.
    for now in [5_999, 6_000] {
        assert_eq!(storage.prune_signing_keys(at(5_000), at(now)).await.unwrap(), 0, "{now}");
    }
    assert!(storage.session_end(ada, second.id, WHY, action(5_500)).await.unwrap());
    // The first one is live until it expires; the third was not opened before the moment.
    assert_eq!(storage.prune_signing_keys(at(5_000), at(5_999)).await.unwrap(), 0);
    assert_eq!(storage.prune_signing_keys(at(5_001), at(6_000)).await.unwrap(), 0);
    assert_eq!(kids(&*storage).await, "cba");
    assert_eq!(storage.prune_signing_keys(at(5_000), at(6_000)).await.unwrap(), 2);
    assert_eq!(kids(&*storage).await, "c");
    assert!(storage.session_find(ada, third.id, at(6_000)).await.unwrap().is_some());
}

async fn retired_keys_are_forgotten_at_once_among_many_expired_sessions(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    three_keys(&*storage).await;
    Intruder::new(&database).add_sessions(ada, 20_000);
    assert_eq!(storage.prune_signing_keys(at(9_000), at(3_599_999)).await.unwrap(), 0);
    assert_eq!(storage.prune_signing_keys(at(9_000), at(3_600_000)).await.unwrap(), 2);
}

async fn replicas_that_forget_keys_at_once_delete_each_once(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    three_keys(&*replicas[0]).await;
    let counts = at_once((0..10).map(|turn| {
        let storage = replicas[turn % 2].clone();
        async move { storage.prune_signing_keys(at(9_000), at(9_000)).await.unwrap() }
    }))
    .await;
    assert_eq!(counts.iter().sum::<u64>(), 2);
    assert_eq!(kids(&*replicas[0]).await, "c");
}

fn sealed(kid: &str, text: &str) -> SealedText {
    SealedText { row: SealedRow::SigningKey(kid.to_owned()), sealed: text.to_owned() }
}

fn resealed(kid: &str, old: &str, new: &str) -> Resealed {
    Resealed { old: sealed(kid, old), new: new.to_owned() }
}

async fn what_is_sealed_is_listed_and_replaced_where_it_is_still_the_same(database: TestDatabase) {
    let storage = database.open();
    assert!(storage.sealed_texts().await.unwrap().is_empty());
    three_keys(&*storage).await;
    let listed = storage.sealed_texts().await.unwrap();
    assert_eq!(listed, [sealed("c", "sealed c"), sealed("b", "sealed b"), sealed("a", "sealed a")]);
    let texts = vec![
        resealed("a", "sealed a", "anew a"),
        resealed("b", "something else", "anew b"),
        resealed("unknown", "sealed c", "anew c"),
    ];
    let by = action_of(Actor::CommandLine, 3_000);
    assert_eq!(storage.sealed_replace(texts.clone(), by.clone()).await.unwrap(), 1);
    let keys = storage.signing_keys().await.unwrap();
    let before = [key("c", 2_000, 2_100), key("b", 1_000, 1_100), key("a", 0, 0)];
    assert_eq!(keys[..2], before[..2], "what was not asked for stays");
    assert_eq!(keys[2], SigningKeyRecord { sealed: "anew a".to_owned(), ..before[2].clone() });
    assert_eq!(storage.sealed_replace(texts, action(3_001)).await.unwrap(), 0);
    assert_eq!(storage.sealed_replace(vec![], action(3_001)).await.unwrap(), 0);
    assert_eq!(recorded(&*storage, AuditKind::SecretsResealed).await, 1, "where nothing changes, nothing is recorded");
    let record = trail(&*storage).await.into_iter().find(|record| record.kind == AuditKind::SecretsResealed).unwrap();
    assert_eq!((record.action, record.detail.as_deref(), record.user), (by, Some("1"), None));
}

async fn replicas_that_seal_anew_at_once_replace_each_text_once(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    three_keys(&*replicas[0]).await;
    let replaced = at_once((0..8).map(|turn| {
        let storage = replicas[turn % 2].clone();
        let texts = ["a", "b", "c"].map(|kid| resealed(kid, &format!("sealed {kid}"), &format!("{turn}")));
        async move { storage.sealed_replace(texts.into(), action(3_000)).await.unwrap() }
    }))
    .await;
    assert_eq!(replaced.iter().sum::<u64>(), 3, "{replaced:?}");
}
