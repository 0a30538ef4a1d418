//! Setting passwords.

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::budget::{BudgetKey, Charge};
use thunderhead_domain::change_authorization::PreconditionFailed;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountName, Storage};
use thunderhead_domain::session::{Actor, EndReason, NewSession, SessionKey, State};
use thunderhead_domain::user::{PasswordCredential, PasswordHash};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    FIRST_CREDENTIAL, action, action_of, at, at_once, live, open, plain, recorded, session, stale_change, user, uuid,
};

on_both_engines!(async:
    a_new_password_moves_the_credential_and_nothing_begun_with_the_old_one_is_finished,
    a_new_password_ends_all_open_sessions_but_the_one_to_keep,
    without_a_session_to_keep_all_are_ended,
    a_new_password_clears_the_failure_budget,
    no_session_opened_with_the_old_password_survives_the_change,
    no_session_opened_by_another_survives_the_change,
);

fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text.to_owned())
}

async fn credential(storage: &dyn Storage, user: UserId) -> PasswordCredential {
    storage.account_credential(AccountName::Id(user)).await.unwrap().unwrap().1
}

async fn a_new_password_moves_the_credential_and_nothing_begun_with_the_old_one_is_finished(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let changed = storage.account_set_password(ada, hash("new"), action(9).into()).await.unwrap().unwrap();
    assert_eq!((changed.sessions_ended, changed.user.unwrap().updated_at), (0, at(9)));
    let version = FIRST_CREDENTIAL + 1;
    assert_eq!(credential(&*storage, ada).await, PasswordCredential { password: hash("new"), version });
    let outcome = storage.session_open(ada, FIRST_CREDENTIAL, None, session(1)).await.unwrap();
    assert_eq!(outcome, stale_change(PreconditionFailed::PasswordChanged));
    storage.account_rehash(ada, FIRST_CREDENTIAL, hash("old, hashed anew")).await.unwrap();
    assert_eq!(credential(&*storage, ada).await.password, hash("new"));
    storage.session_open(ada, version, None, session(1)).await.unwrap().unwrap();
    assert_eq!(credential(&*storage, grace).await.version, FIRST_CREDENTIAL);
}

async fn a_new_password_ends_all_open_sessions_but_the_one_to_keep(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    for number in 1..=3 {
        open(&*storage, ada, session(number)).await;
        open(&*storage, grace, session(10 + number)).await;
    }
    open(&*storage, ada, NewSession { second_factor_pending: true, ..session(4) }).await;
    let by_ada = action_of(Actor::User(ada), 9);
    let changed = storage.account_set_password(ada, hash("new"), plain(ada, 2, 9)).await.unwrap().unwrap();
    assert_eq!(changed.sessions_ended, 3);
    assert_eq!(live(&*storage, ada).await, [2]);
    assert_eq!(live(&*storage, grace).await, [13, 12, 11]);
    let key = SessionKey::Uuid(uuid(1), ada);
    let ended = storage.session_authority(Some(key)).await.unwrap().authenticated.unwrap().session;
    assert_eq!(ended.state, State::Ended(by_ada.end(EndReason::PasswordChanged)));
}

async fn without_a_session_to_keep_all_are_ended(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    open(&*storage, ada, session(2)).await;
    let changed = storage.account_set_password(ada, hash("new"), action(9).into()).await.unwrap().unwrap();
    assert_eq!(changed.sessions_ended, 2);
    assert!(live(&*storage, ada).await.is_empty());
}

async fn a_new_password_clears_the_failure_budget(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    for user in [ada, grace] {
        storage.budget_charge(&BudgetKey::Account(user), action(0)).await.unwrap();
    }
    storage.account_set_password(ada, hash("new"), action(1).into()).await.unwrap().unwrap();
    for (user, used) in [(ada, false), (grace, true)] {
        let charge = storage.budget_charge(&BudgetKey::Account(user), action(2)).await.unwrap();
        assert!(matches!(charge, Charge::Admitted(receipt) if receipt.before.is_some() == used));
    }
}

async fn no_session_opened_with_the_old_password_survives_the_change(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let mut all = 0;
    for round in 0..10_u128 {
        let ada = user(&*replicas[0], &format!("ada{round}")).await.id;
        let opens = (0..20_u128).map(|number| {
            let storage = replicas[number as usize % 2].clone();
            let new = session(round * 100 + number);
            async move { u64::from(storage.session_open(ada, FIRST_CREDENTIAL, None, new).await.unwrap().is_ok()) }
        });
        let storage = replicas[1].clone();
        let change = async move { storage.account_set_password(ada, hash("new"), action(1).into()).await.unwrap() };
        let change = tokio::spawn(change);
        let opened: u64 = at_once(opens).await.into_iter().sum();
        assert_eq!(change.await.unwrap().unwrap().sessions_ended, opened);
        assert!(live(&*replicas[0], ada).await.is_empty());
        all += opened;
    }
    assert_eq!(recorded(&*replicas[0], AuditKind::LoggedIn).await, all);
    assert_eq!(recorded(&*replicas[0], AuditKind::SessionEnded).await, all);
}

async fn no_session_opened_by_another_survives_the_change(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    open(&*replicas[0], ada, session(1_000)).await;
    let opens = (0..20_u128).map(|number| {
        let storage = replicas[number as usize % 2].clone();
        async move { storage.session_open_from(ada, session(number), plain(ada, 1_000, 0)).await.unwrap() }
    });
    let storage = replicas[1].clone();
    let change = async move { storage.account_set_password(ada, hash("new"), action(1).into()).await.unwrap() };
    let change = tokio::spawn(change);
    let opened = at_once(opens).await.iter().filter(|outcome| outcome.is_ok()).count() as u64;
    assert_eq!(change.await.unwrap().unwrap().sessions_ended, opened + 1);
    assert!(live(&*replicas[0], ada).await.is_empty());
}
