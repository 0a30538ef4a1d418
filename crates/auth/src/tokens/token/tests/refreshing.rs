//! Keys that are in the database: shared by replicas, and learnt of.

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::id::VerificationKeyId;
use thunderhead_domain::session::Actor;
use thunderhead_testkit::{TestDatabase, block_on};

use super::*;
use crate::environment::Environment;
use crate::testing::Replica;

fn encryption_keys() -> EncryptionKeys {
    EncryptionKeys::parse(&"00".repeat(32)).unwrap()
}

async fn loaded(replica: &Replica) -> TokenSigner {
    let Environment { storage, clock, random } = &replica.environment;
    TokenSigner::load("thunderhead".to_owned(), &**storage, &encryption_keys(), &**clock, &**random).await.unwrap()
}

/// Another key, which begins to sign in a minute.
async fn rotate(replica: &Replica) {
    let Environment { storage, random, .. } = &replica.environment;
    let key = next_key(&encryption_keys(), NOW.plus_millis(1), &**random).unwrap();
    storage.signing_key_add(key, ActionContext { at: NOW, by: Actor::System, client_ip: None }).await.unwrap();
}

fn kids(signer: &TokenSigner) -> Vec<String> {
    signer.ring().kids().map(str::to_owned).collect()
}

#[test]
fn replicas_share_their_keys_and_learn_of_new_ones_by_refreshing() {
    block_on(async {
        let database = TestDatabase::sqlite();
        let replicas = [Replica::of(&database, 1), Replica::of(&database, 2)];
        let signers = [loaded(&replicas[0]).await, loaded(&replicas[1]).await];
        assert_eq!(kids(&signers[0]), kids(&signers[1]));
        rotate(&replicas[0]).await;
        let storage = &*replicas[0].environment.storage;
        signers[0].refresh(storage).await.unwrap();
        let later = NOW.plus_seconds(61);
        let token = signers[0].session_token(&session(), later).unwrap();
        assert_eq!(signers[1].session_key(token.expose(), NOW), Err(TokenError::UnknownKey));
        signers[1].refresh(storage).await.unwrap();
        assert!(signers[1].session_key(token.expose(), NOW).is_ok());
        assert_eq!(kids(&signers[0]), kids(&signers[1]));
        assert_eq!(signers[1].published_keys()["keys"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn the_generation_of_keys_changes_with_them_and_only_then() {
    block_on(async {
        let database = TestDatabase::sqlite();
        let replica = Replica::of(&database, 1);
        let signer = loaded(&replica).await;
        let storage = &*replica.environment.storage;
        let mut generations = vec![signer.generation()];
        signer.refresh(storage).await.unwrap();
        assert_eq!(signer.generation(), generations[0], "nothing has changed");
        rotate(&replica).await;
        signer.refresh(storage).await.unwrap();
        generations.push(signer.generation());
        let first = kids(&signer).pop().unwrap();
        database.tamper(&format!("DELETE FROM signing_keys WHERE kid = '{first}'"));
        signer.refresh(storage).await.unwrap();
        generations.push(signer.generation());
        database.tamper("DELETE FROM signing_keys");
        signer.refresh(storage).await.unwrap();
        assert_eq!(kids(&signer).len(), 1, "what was known stays where there is nothing");
        assert_eq!(generations, [0, 1, 2]);
        assert_eq!(signer.generation(), 2);
    });
}

#[test]
fn a_verify_only_key_is_learnt_of_although_no_signing_key_has_changed() {
    block_on(async {
        let database = TestDatabase::sqlite();
        let replica = Replica::of(&database, 1);
        let signer = loaded(&replica).await;
        let jwk = signing_key("theirs").jwk.to_public_key().unwrap();
        let id = VerificationKeyId(Uuid::from_u128(7));
        database.tamper(&format!("INSERT INTO verification_keys VALUES (X'{}', '{jwk}', NULL, 0)", id.0.simple()));
        for _ in 0..2 {
            signer.refresh(&*replica.environment.storage).await.unwrap();
            assert!(signer.ring().verify_only_ids().eq([id]));
            assert_eq!(signer.generation(), 1);
        }
    });
}
