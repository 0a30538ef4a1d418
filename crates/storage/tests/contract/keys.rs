//! Signing keys.

use thunderhead_domain::ports::SigningKeyRecord;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{at, at_once};

on_both_engines!(async: of_replicas_that_start_at_once_one_stores_the_first_key);

async fn of_replicas_that_start_at_once_one_stores_the_first_key(database: TestDatabase) {
    let replicas = [database.open(), database.open(), database.open()];
    assert!(replicas[0].signing_keys().await.unwrap().is_empty());
    let seen = at_once((0..12).map(|turn| {
        let storage = replicas[turn % 3].clone();
        let key = SigningKeyRecord { kid: format!("key {turn}"), sealed: format!("sealed {turn}"), created_at: at(0) };
        async move { storage.signing_key_first(key).await.unwrap() }
    }))
    .await;
    let stored = replicas[0].signing_keys().await.unwrap();
    assert_eq!(stored.len(), 1);
    assert!(seen.iter().all(|keys| *keys == stored), "{seen:?}");
}
