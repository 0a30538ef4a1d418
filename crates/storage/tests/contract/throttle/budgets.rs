//! Failure budgets.

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::budget::{BudgetKey, Charge, Receipt};
use thunderhead_domain::id::UserId;
use thunderhead_domain::network::Network;
use thunderhead_domain::ports::Storage;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{action, at, at_once, trail, user, uuid};

on_both_engines!(async:
    ten_attempts_are_admitted_and_the_next_must_wait,
    of_many_attempts_at_once_exactly_ten_are_admitted,
    a_refund_takes_one_charge_back_and_a_clearance_all,
    budgets_of_different_keys_are_separate,
    a_day_after_its_last_failure_every_budget_is_new,
    strangers_failures_are_cleared_together_and_no_others,
    an_account_is_unlocked_whoever_has_failed_at_it,
    charging_and_clearing_at_once_never_fails,
);

fn account() -> BudgetKey {
    BudgetKey::Account(UserId::from_number(1_687_067_614_042))
}

fn network(address: &str) -> BudgetKey {
    BudgetKey::Network(UserId::from_number(1_687_067_614_042), Network::of(address.parse().unwrap()))
}

fn session_of(number: u128) -> BudgetKey {
    BudgetKey::Session(UserId::from_number(1_687_067_614_042), uuid(number))
}

async fn admitted(storage: &dyn Storage, key: &BudgetKey) -> Receipt {
    match storage.budget_charge(key, action(0)).await.unwrap() {
        Charge::Admitted(receipt) => receipt,
        Charge::Wait(millis) => panic!("must wait {millis} ms"),
    }
}

async fn ten_attempts_are_admitted_and_the_next_must_wait(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    for before in 0..10 {
        let receipt = admitted(&*storage, &account()).await;
        assert_eq!(receipt.before.map_or(0, |budget| budget.failures), before);
        assert_eq!((receipt.after.failures, receipt.after.last_at), (before + 1, at(0)));
    }
    assert_eq!(other.budget_charge(&account(), action(400)).await.unwrap(), Charge::Wait(600));
    assert!(matches!(other.budget_charge(&account(), action(1_000)).await.unwrap(), Charge::Admitted(_)));
    assert_eq!(storage.budget_charge(&account(), action(1_000)).await.unwrap(), Charge::Wait(2_000));
}

async fn of_many_attempts_at_once_exactly_ten_are_admitted(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let charges = at_once((0..50).map(|turn| {
        let storage = replicas[turn % 2].clone();
        async move { storage.budget_charge(&account(), action(0)).await.unwrap() }
    }))
    .await;
    let admitted = charges.iter().filter(|charge| matches!(charge, Charge::Admitted(_))).count();
    assert_eq!((admitted, charges.len()), (10, 50));
}

async fn a_refund_takes_one_charge_back_and_a_clearance_all(database: TestDatabase) {
    let storage = database.open();
    let first = admitted(&*storage, &account()).await;
    storage.budget_refund(&account(), first).await.unwrap();
    assert_eq!(admitted(&*storage, &account()).await.before, None);
    let second = admitted(&*storage, &account()).await;
    admitted(&*storage, &account()).await;
    storage.budget_refund(&account(), second).await.unwrap();
    assert_eq!(admitted(&*storage, &account()).await.before.map(|budget| budget.failures), Some(2));
    storage.budget_clear(&account()).await.unwrap();
    assert_eq!(admitted(&*storage, &account()).await.before, None);
    storage.budget_clear(&account()).await.unwrap();
    storage.budget_clear(&account()).await.unwrap();
    storage.budget_refund(&account(), second).await.unwrap();
    assert_eq!(admitted(&*storage, &account()).await.before, None);
}

async fn budgets_of_different_keys_are_separate(database: TestDatabase) {
    let storage = database.open();
    for key in [
        account(),
        BudgetKey::Account(UserId::from_number(1_687_067_614_043)),
        BudgetKey::Typed([0; 32], None),
        BudgetKey::Typed([255; 32], Some(UserId::from_number(1_687_067_614_042))),
        network("192.0.2.7"),
        network("192.0.3.7"),
        session_of(1),
        session_of(2),
    ] {
        assert_eq!(admitted(&*storage, &key).await.before, None);
    }
}

async fn a_day_after_its_last_failure_every_budget_is_new(database: TestDatabase) {
    const DAY: i64 = 24 * 3_600 * 1_000;
    let storage = database.open();
    for key in [account(), BudgetKey::Typed([1; 32], None), network("192.0.2.7"), session_of(1)] {
        for _ in 0..10 {
            admitted(&*storage, &key).await;
        }
        assert!(matches!(storage.budget_charge(&key, action(1_000)).await.unwrap(), Charge::Admitted(_)));
        let charge = storage.budget_charge(&key, action(DAY + 999)).await.unwrap();
        assert!(matches!(charge, Charge::Admitted(receipt) if receipt.after.failures == 12), "{key:?}");
        let charge = storage.budget_charge(&key, action(2 * DAY + 999)).await.unwrap();
        assert!(matches!(charge, Charge::Admitted(receipt) if receipt.after.failures == 1), "{key:?}");
    }
}

async fn strangers_failures_are_cleared_together_and_no_others(database: TestDatabase) {
    let storage = database.open();
    let user = UserId::from_number(1_687_067_614_042);
    let strangers = [account(), BudgetKey::Typed([1; 32], Some(user)), BudgetKey::Typed([2; 32], Some(user))];
    let others = [BudgetKey::Typed([3; 32], None), network("192.0.2.7"), session_of(1)];
    let failures = async |key: &BudgetKey| admitted(&*storage, key).await.after.failures;
    for cleared in &strangers {
        let before = failures(&others[0]).await;
        for key in strangers.iter().chain(&others[1..]) {
            failures(key).await;
        }
        storage.budget_clear(cleared).await.unwrap();
        for key in &strangers {
            assert_eq!(failures(key).await, 1, "{key:?}");
        }
        for key in &others {
            assert_eq!(failures(key).await, before + 1, "{key:?}");
        }
        for key in &others[1..] {
            storage.budget_clear(key).await.unwrap();
            for _ in 0..=before {
                failures(key).await;
            }
        }
    }
}

async fn an_account_is_unlocked_whoever_has_failed_at_it(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let (name, network) = ([1; 32], Network::of("192.0.2.7".parse().unwrap()));
    assert!(!storage.budget_unlock(ada, action(1)).await.unwrap());
    // The name was tried before somebody had it.
    admitted(&*storage, &BudgetKey::Typed(name, None)).await;
    let all = [
        BudgetKey::Account(ada),
        BudgetKey::Typed(name, Some(ada)),
        BudgetKey::Network(ada, network),
        BudgetKey::Session(ada, uuid(1)),
    ];
    for key in &all {
        admitted(&*storage, key).await;
    }
    admitted(&*storage, &account()).await;
    assert!(storage.budget_unlock(ada, action(2)).await.unwrap());
    assert!(!storage.budget_unlock(ada, action(3)).await.unwrap());
    for key in &all {
        assert_eq!(admitted(&*storage, key).await.before, None, "{key:?}");
    }
    assert_eq!(admitted(&*storage, &account()).await.after.failures, 2);
    let record = trail(&*storage).await.pop().unwrap();
    assert_eq!((record.kind, record.user, record.action), (AuditKind::AccountUnlocked, Some(ada), action(2)));
}

async fn charging_and_clearing_at_once_never_fails(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    at_once((0..100).map(|turn| {
        let storage = replicas[turn % 2].clone();
        async move {
            match turn % 3 {
                0 => storage.budget_clear(&account()).await.unwrap(),
                _ => drop(storage.budget_charge(&account(), action(0)).await.unwrap()),
            }
        }
    }))
    .await;
}
