//! Failure budgets.

use thunderhead_domain::budget::{Charge, Receipt};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{BudgetKey, Storage};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{at, at_once, deed};

on_both_engines!(async:
    ten_attempts_are_admitted_and_the_next_must_wait,
    of_many_attempts_at_once_exactly_ten_are_admitted,
    a_refund_takes_one_charge_back_and_a_clearance_all,
    budgets_of_different_keys_are_separate,
    charging_and_clearing_at_once_never_fails,
);

fn account() -> BudgetKey {
    BudgetKey::Account(UserId::from_number(1_687_067_614_042))
}

async fn admitted(storage: &dyn Storage, key: &BudgetKey) -> Receipt {
    match storage.budget_charge(key, deed(0)).await.unwrap() {
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
    assert_eq!(other.budget_charge(&account(), deed(400)).await.unwrap(), Charge::Wait(600));
    assert!(matches!(other.budget_charge(&account(), deed(1_000)).await.unwrap(), Charge::Admitted(_)));
    assert_eq!(storage.budget_charge(&account(), deed(1_000)).await.unwrap(), Charge::Wait(2_000));
}

async fn of_many_attempts_at_once_exactly_ten_are_admitted(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let charges = at_once((0..50).map(|turn| {
        let storage = replicas[turn % 2].clone();
        async move { storage.budget_charge(&account(), deed(0)).await.unwrap() }
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
        BudgetKey::UnknownName([0; 32]),
        BudgetKey::UnknownName([255; 32]),
    ] {
        assert_eq!(admitted(&*storage, &key).await.before, None);
    }
}

async fn charging_and_clearing_at_once_never_fails(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    at_once((0..100).map(|turn| {
        let storage = replicas[turn % 2].clone();
        async move {
            match turn % 3 {
                0 => storage.budget_clear(&account()).await.unwrap(),
                _ => drop(storage.budget_charge(&account(), deed(0)).await.unwrap()),
            }
        }
    }))
    .await;
}
