//! Forgetting what is over for long enough.

use std::sync::Arc;

use thunderhead_domain::audit::AuditFilter;
use thunderhead_domain::budget::{BudgetKey, Charge};
use thunderhead_domain::ports::Storage;
use thunderhead_domain::session::NewSession;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{Intruder, WHY, action, at, at_once, first, open, session, trail, user, uuid};

on_both_engines!(async:
    sessions_are_forgotten_when_they_ended_or_expired_before_the_moment_and_not_at_it,
    records_are_forgotten_when_they_are_from_before_the_moment_and_not_at_it,
    budgets_are_forgotten_when_their_last_failure_was_before_the_moment_and_not_at_it,
    each_call_forgets_a_small_batch_the_oldest_first,
    replicas_that_forget_at_once_delete_each_row_once,
    numbers_of_forgotten_records_are_not_used_again,
);

async fn sessions_are_forgotten_when_they_ended_or_expired_before_the_moment_and_not_at_it(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for (number, expires, ended) in [
        (1, 1_000_000, Some(5_000)),
        (2, 1_000_000, Some(5_001)),
        (3, 5_000, None),
        (4, 6_000, None),
        (5, 1_000_000, None),
        // It ended before it would have expired: that counts.
        (6, 9_000, Some(4_000)),
    ] {
        let made = open(&*storage, ada, NewSession { expires_at: at(expires), ..session(number) }).await;
        if let Some(millis) = ended {
            assert!(storage.session_end(ada, made.id, WHY, action(millis)).await.unwrap());
        }
    }
    let left = async || {
        let mut left = Vec::new();
        for number in 1..=6 {
            left.extend(storage.session_find_any(uuid(number)).await.unwrap().map(|_| number));
        }
        left
    };
    for (millis, forgotten, kept) in [
        (4_000, 0, vec![1, 2, 3, 4, 5, 6]),
        (4_001, 1, vec![1, 2, 3, 4, 5]),
        (5_000, 0, vec![1, 2, 3, 4, 5]),
        (5_001, 2, vec![2, 4, 5]),
        (6_001, 2, vec![5]),
        (1_000_000, 0, vec![5]),
        (1_000_001, 1, vec![]),
    ] {
        assert_eq!(storage.prune_sessions(at(millis)).await.unwrap(), forgotten, "{millis}");
        assert_eq!(left().await, kept, "{millis}");
    }
}

async fn records_are_forgotten_when_they_are_from_before_the_moment_and_not_at_it(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    for (staff, millis) in [(true, 3_000), (false, 2_000), (true, 1_000)] {
        storage.account_set_staff(ada, staff, action(millis).into()).await.unwrap().unwrap();
    }
    for (millis, forgotten, left) in [(0, 0, 4), (1, 1, 3), (2_000, 1, 2), (2_001, 1, 1), (9_000, 1, 0), (9_000, 0, 0)]
    {
        assert_eq!(storage.prune_audit(at(millis)).await.unwrap(), forgotten, "{millis}");
        assert_eq!(trail(&*storage).await.len(), left, "{millis}");
    }
}

async fn budgets_are_forgotten_when_their_last_failure_was_before_the_moment_and_not_at_it(database: TestDatabase) {
    let storage = database.open();
    let keys = [BudgetKey::Typed([1; 32], None), BudgetKey::Typed([2; 32], None)];
    let account = BudgetKey::Account(user(&*storage, "ada").await.id);
    storage.budget_charge(&account, action(0)).await.unwrap();
    for (key, millis) in [(&keys[0], 0), (&keys[0], 2_000), (&keys[1], 1_000)] {
        storage.budget_charge(key, action(millis)).await.unwrap();
    }
    for (millis, forgotten) in [(0, 0), (1_000, 1), (1_001, 1), (2_000, 0)] {
        assert_eq!(storage.prune_budgets(at(millis)).await.unwrap(), forgotten, "{millis}");
    }
    for (key, used) in [(&keys[0], Some(2)), (&keys[1], None)] {
        let charge = storage.budget_charge(key, action(3_000)).await.unwrap();
        assert!(matches!(charge, Charge::Admitted(receipt) if receipt.before.map(|before| before.failures) == used));
    }
    assert_eq!(storage.prune_budgets(at(9_000)).await.unwrap(), 2);
    let charge = storage.budget_charge(&account, action(9_000)).await.unwrap();
    assert!(matches!(charge, Charge::Admitted(receipt) if receipt.before.is_none()));
}

/// Adds as many rows to each table that is pruned, the later ones with the smaller numbers, from moment 1 on.
async fn fill(database: &TestDatabase, storage: &dyn Storage, count: u32) {
    let ada = user(storage, "ada").await.id;
    storage.prune_audit(at(1)).await.unwrap();
    let mut intruder = Intruder::new(database);
    intruder.add_sessions(ada, count);
    intruder.run(&format!("UPDATE sessions SET expires_at = {count} + 1 - id"));
    intruder.add(count, "audit (at, actor, kind)", &format!("{count} + 1 - n, 'stranger', 'logged-in'"));
    intruder.add(count, "failure_budgets (key, failures, last_at)", &format!("'name:' || n, 1, {count} + 1 - n"));
}

async fn each_call_forgets_a_small_batch_the_oldest_first(database: TestDatabase) {
    let storage = database.open();
    fill(&database, &*storage, 220).await;
    for forgotten in [100, 100, 20, 0] {
        assert_eq!(storage.prune_sessions(at(0)).await.unwrap(), forgotten);
        assert_eq!(storage.prune_budgets(at(0)).await.unwrap(), forgotten);
        assert_eq!(storage.prune_audit(at(0)).await.unwrap(), forgotten);
        let left = trail(&*storage).await;
        assert_eq!(
            left.last().map(|record| record.action.at.unix_millis()),
            match forgotten {
                100 => Some(if left.len() == 120 { 101 } else { 201 }),
                _ => None,
            }
        );
    }
}

async fn replicas_that_forget_at_once_delete_each_row_once(database: TestDatabase) {
    const ROWS: u32 = 3_000;
    let replicas = [database.open(), database.open()];
    fill(&database, &*replicas[0], ROWS).await;
    for table in 0..3 {
        let counts = at_once((0..4).map(|turn| forget_all(replicas[turn % 2].clone(), table))).await;
        assert_eq!(counts.iter().sum::<u64>(), u64::from(ROWS));
    }
    assert!(trail(&*replicas[0]).await.is_empty());
}

async fn forget_all(storage: Arc<dyn Storage>, table: usize) -> u64 {
    let mut sum = 0;
    loop {
        let forgotten = match table {
            0 => storage.prune_sessions(at(0)).await,
            1 => storage.prune_audit(at(0)).await,
            _ => storage.prune_budgets(at(0)).await,
        };
        match forgotten.unwrap() {
            0 => return sum,
            more => sum += more,
        }
    }
}

async fn numbers_of_forgotten_records_are_not_used_again(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let last = trail(&*storage).await[0].number;
    assert_eq!(storage.prune_audit(at(1)).await.unwrap(), 1);
    storage.account_set_staff(ada, true, action(1).into()).await.unwrap().unwrap();
    let page = storage.audit_page(AuditFilter::default(), first(1)).await.unwrap();
    assert!(page.items[0].number > last);
}
