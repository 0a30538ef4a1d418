//! Deleting accounts.

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::budget::{BudgetKey, Charge};
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountName, PageStart, SessionFilter};
use thunderhead_domain::session::SessionKey;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    FIRST_CREDENTIAL, Intruder, WHY, action, at, at_once, challenge, challenge_id, first, live, live_everywhere, open,
    recorded, session, user, uuid,
};

on_both_engines!(async:
    a_deleted_user_is_gone_with_all_sessions_and_the_failure_budget,
    unknown_and_repeated_ids_are_skipped,
    name_and_address_of_a_deleted_user_are_free_again,
    two_deletions_at_once_delete_each_user_once,
    a_session_opened_while_its_user_is_deleted_is_gone_or_was_refused,
    users_are_deleted_while_their_sessions_are_being_ended_and_forgotten,
    the_rows_of_a_deleted_user_follow_in_batches_and_until_then_nobody_gets_the_id,
    a_deletion_costs_the_same_however_many_sessions_there_are_and_their_keys_open_nothing,
    an_account_made_while_the_last_user_of_its_id_is_deleted_gets_another_id,
);

async fn a_deleted_user_is_gone_with_all_sessions_and_the_failure_budget(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    for (user, number) in [(ada, 1), (ada, 2), (grace, 3)] {
        open(&*storage, user, session(number)).await;
        storage.budget_charge(&BudgetKey::Account(user), action(0)).await.unwrap();
    }
    storage.session_end_others(ada, uuid(1), WHY, action(1)).await.unwrap();
    storage.account_delete(ada, action(2).into()).await.unwrap().unwrap();
    assert_eq!(storage.account_find(AccountName::Id(ada)).await.unwrap(), None);
    for number in [1, 2] {
        let key = SessionKey::Uuid(uuid(number), ada);
        assert_eq!(storage.session_authority(Some(key)).await.unwrap().authenticated, None);
        assert_eq!(storage.session_find_any(uuid(number)).await.unwrap(), None);
    }
    assert_eq!(storage.session_open(ada, FIRST_CREDENTIAL, None, session(9)).await.unwrap(), Err(Refusal::Gone));
    assert_eq!(live(&*storage, grace).await, [3]);
    for (user, used) in [(ada, false), (grace, true)] {
        let charge = storage.budget_charge(&BudgetKey::Account(user), action(3)).await.unwrap();
        assert!(matches!(charge, Charge::Admitted(receipt) if receipt.before.is_some() == used));
    }
}

async fn unknown_and_repeated_ids_are_skipped(database: TestDatabase) {
    let storage = database.open();
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(user(&*storage, name).await.id);
    }
    let unknown = UserId::from_number(1);
    assert_eq!(storage.account_delete_some(&[], action(1).into()).await.unwrap().unwrap(), 0);
    let doubled = [ids[2], unknown, ids[0], ids[2]];
    assert_eq!(storage.account_delete_some(&doubled, action(1).into()).await.unwrap(), Ok(2));
    assert_eq!(storage.account_delete_some(&[ids[2], unknown, ids[0]], action(2).into()).await.unwrap().unwrap(), 0);
    let left = storage.account_page(first(9)).await.unwrap();
    assert_eq!(left.items.iter().map(|user| user.id).collect::<Vec<_>>(), [ids[1]]);
    assert_eq!(recorded(&*storage, AuditKind::AccountDeleted).await, 2);
}

async fn name_and_address_of_a_deleted_user_are_free_again(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    storage.account_delete(ada, action(1).into()).await.unwrap().unwrap();
    assert_eq!(storage.account_delete(ada, action(2).into()).await.unwrap(), Err(Refusal::Gone));
    user(&*storage, "ada").await;
}

async fn two_deletions_at_once_delete_each_user_once(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    for round in 0..5_u128 {
        let mut ids = Vec::new();
        for number in 0..10_u128 {
            let id = user(&*replicas[0], &format!("user{round}.{number}")).await.id;
            open(&*replicas[0], id, session(round * 10 + number)).await;
            ids.push(id);
        }
        let mut backwards = ids.clone();
        backwards.reverse();
        let counts = at_once((0..6).map(|turn| {
            let storage = replicas[turn % 2].clone();
            let ids = if turn < 3 { ids.clone() } else { backwards.clone() };
            async move { storage.account_delete_some(&ids, action(1).into()).await.unwrap().unwrap() }
        }))
        .await;
        assert_eq!(counts.iter().sum::<u64>(), 10);
    }
    assert_eq!(recorded(&*replicas[0], AuditKind::AccountDeleted).await, 50);
    assert_eq!(replicas[0].account_page(first(0)).await.unwrap().count, 0);
}

async fn a_session_opened_while_its_user_is_deleted_is_gone_or_was_refused(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    for round in 0..5_u128 {
        let ada = user(&*replicas[0], &format!("ada{round}")).await.id;
        let opens = (0..10_u128).map(|number| {
            let storage = replicas[number as usize % 2].clone();
            async move {
                drop(storage.session_open(ada, FIRST_CREDENTIAL, None, session(round * 10 + number)).await.unwrap())
            }
        });
        let storage = replicas[1].clone();
        let deletion =
            tokio::spawn(async move { storage.account_delete_some(&[ada], action(1).into()).await.unwrap().unwrap() });
        at_once(opens).await;
        assert_eq!(deletion.await.unwrap(), 1);
        assert!(live_everywhere(&*replicas[0], 0).await.is_empty());
    }
}

async fn users_are_deleted_while_their_sessions_are_being_ended_and_forgotten(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let mut ids = Vec::new();
    for number in 0..20_u128 {
        let id = user(&*replicas[0], &format!("user{number}")).await.id;
        open(&*replicas[0], id, session(number)).await;
        ids.push(id);
    }
    at_once((0..12).map(|turn| {
        let (storage, mut ids) = (replicas[turn % 2].clone(), ids.clone());
        async move {
            ids.rotate_left(turn);
            match turn % 4 {
                0 => storage.account_delete_some(&ids, action(1).into()).await.unwrap().unwrap(),
                1 => storage.session_end_everywhere(at(1), WHY, action(1)).await.unwrap(),
                2 => storage.prune_sessions(at(2)).await.unwrap(),
                _ => storage.session_end_all(ids[0], WHY, action(1)).await.unwrap(),
            }
        }
    }))
    .await;
    assert_eq!(replicas[0].account_page(first(0)).await.unwrap().count, 0);
}

async fn the_rows_of_a_deleted_user_follow_in_batches_and_until_then_nobody_gets_the_id(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    for number in 0..150_u128 {
        open(&*storage, ada, session(number)).await;
    }
    open(&*storage, grace, session(150)).await;
    storage.challenge_create(challenge(ada, 1)).await.unwrap();
    storage.account_delete(ada, action(1).into()).await.unwrap().unwrap();
    let reused = user(&*storage, "ada").await.id;
    assert_ne!(reused, ada);
    assert_ne!(reused, grace);
    // A hundred sessions, the others, the challenge, and the id itself.
    for deleted in [100, 50, 1, 1, 0, 0] {
        assert_eq!(storage.delete_removed().await.unwrap(), deleted);
    }
    assert_eq!(storage.challenge_find(challenge_id(1)).await.unwrap(), None);
    assert_eq!(live(&*storage, grace).await, [150]);
    assert_eq!(user(&*storage, "lovelace").await.id, ada);
    assert!(live(&*storage, ada).await.is_empty());
}

async fn a_deletion_costs_the_same_however_many_sessions_there_are_and_their_keys_open_nothing(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    Intruder::new(&database).add_sessions(ada, 1_500);
    storage.session_end_all(ada, WHY, action(1)).await.unwrap();
    Intruder::new(&database).run("UPDATE sessions SET generation = 1 WHERE id <= 700");
    storage.account_delete(ada, action(2).into()).await.unwrap().unwrap();
    let key = SessionKey::Uuid(uuid(1_000_001), ada);
    assert_eq!(storage.session_authority(Some(key)).await.unwrap().authenticated, None);
    assert_eq!(storage.session_find_any(uuid(1_000_001)).await.unwrap(), None);
    assert!(live_everywhere(&*storage, 2).await.is_empty());
    let all = storage.session_list(SessionFilter::default(), PageStart::Skip(0), 9, at(2)).await.unwrap();
    assert!(all.is_empty());
    assert_eq!(storage.session_count(SessionFilter::default(), at(2)).await.unwrap(), 0);
    let mut deleted = 0;
    loop {
        assert_eq!(storage.write_ends().await.unwrap(), 0, "nobody is left to be told");
        match storage.delete_removed().await.unwrap() {
            0 => break,
            batch => deleted += batch,
        }
    }
    assert_eq!(deleted, 1_501);
}

async fn an_account_made_while_the_last_user_of_its_id_is_deleted_gets_another_id(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    for round in 0..10 {
        let ada = user(&*replicas[0], &format!("ada{round}")).await.id;
        open(&*replicas[0], ada, session(round)).await;
        let (deleting, making) = (replicas[0].clone(), replicas[1].clone());
        let deletion = tokio::spawn(async move { deleting.account_delete(ada, action(1).into()).await.unwrap() });
        let made = tokio::spawn(async move { user(&*making, &format!("grace{round}")).await.id });
        deletion.await.unwrap().unwrap();
        assert_ne!(made.await.unwrap(), ada);
    }
}
