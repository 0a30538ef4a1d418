//! One-time links.

use std::collections::BTreeSet;
use std::sync::Arc;

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::budget::{BudgetKey, Charge};
use thunderhead_domain::change_authorization::{Evidence, PreconditionFailed, Refusal};
use thunderhead_domain::id::UserId;
use thunderhead_domain::link::NewLink;
use thunderhead_domain::ports::{AccountName, AccountUpdate, Storage};
use thunderhead_domain::session::{Actor, NewSession};
use thunderhead_domain::user::{PasswordCredential, PasswordHash};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{
    FIRST_CREDENTIAL, Picture, action, action_of, asked_by, at, at_once, digest, link, live, open, plain, recorded,
    session, stale_change, trail, user,
};

on_both_engines!(async:
    a_link_sets_the_password_once_and_ends_every_session,
    a_link_is_good_until_it_expires_and_not_at_that_moment,
    a_link_is_found_for_its_user_alone_and_finding_it_changes_nothing,
    a_new_password_voids_the_links_of_its_user_and_of_nobody_else,
    a_banned_users_link_stays_unused_and_is_good_again_after_the_ban,
    a_deleted_users_links_are_gone,
    a_link_is_made_once_even_after_it_was_used,
    who_may_not_make_a_link_makes_none,
    of_many_who_use_a_link_at_once_one_succeeds,
    a_link_and_another_new_password_at_once_leave_one_of_them_and_no_session,
    a_link_and_a_ban_at_once_leave_no_session,
    links_are_forgotten_when_they_expired_before_the_moment_and_of_the_unused_ones_that_is_recorded,
    replicas_that_forget_links_at_once_record_each_once,
);

fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text.to_owned())
}

/// Makes a link as the operator.
async fn make(storage: &dyn Storage, link: NewLink) {
    storage.link_create(link, action(0).into()).await.unwrap().unwrap();
}

/// Uses it to set a password, at a moment.
async fn set(
    storage: &dyn Storage,
    user: UserId,
    byte: u8,
    password: &str,
    millis: i64,
) -> Result<AccountUpdate, Refusal> {
    let action = action_of(Actor::User(user), millis);
    storage.link_use(user, digest(byte), hash(password), action).await.unwrap()
}

async fn credential(storage: &dyn Storage, user: UserId) -> PasswordCredential {
    storage.account_credential(AccountName::Id(user)).await.unwrap().unwrap().1
}

async fn is_good(storage: &dyn Storage, byte: u8, millis: i64) -> bool {
    storage.link_find(digest(byte), at(millis)).await.unwrap().is_some()
}

async fn a_link_sets_the_password_once_and_ends_every_session(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    for user in [ada, grace] {
        let first = user.number() as u128;
        open(&*storage, user, session(first)).await;
        open(&*storage, user, NewSession { second_factor_pending: true, ..session(first + 1_000) }).await;
        storage.budget_charge(&BudgetKey::Account(user), action(0)).await.unwrap();
    }
    make(&*storage, link(ada, 1)).await;
    let update = set(&*other, ada, 1, "new", 9).await.unwrap();
    assert_eq!((update.sessions_ended, update.user.unwrap().updated_at), (2, at(9)));
    assert_eq!(live(&*storage, ada).await, []);
    assert_eq!(live(&*storage, grace).await.len(), 2);
    let version = FIRST_CREDENTIAL + 1;
    assert_eq!(credential(&*storage, ada).await, PasswordCredential { password: hash("new"), version });
    let charge = storage.budget_charge(&BudgetKey::Account(ada), action(10)).await.unwrap();
    assert!(matches!(charge, Charge::Admitted(receipt) if receipt.before.is_none()), "{charge:?}");
    let records = trail(&*storage).await;
    let told: Vec<_> = records.iter().map(|record| record.kind).collect();
    let set_at = told.iter().position(|kind| *kind == AuditKind::LinkUsed).unwrap();
    assert_eq!(told[set_at - 1..set_at + 2], [AuditKind::LinkMade, AuditKind::LinkUsed, AuditKind::PasswordChanged]);
    let used = &records[set_at];
    assert_eq!((&used.action, used.user, &used.detail), (&action_of(Actor::User(ada), 9), Some(ada), &None));

    let before = Picture::take(&*storage, &[ada, grace], &[]).await;
    assert_eq!(set(&*storage, ada, 1, "another", 10).await, Err(Refusal::Gone));
    assert!(!is_good(&*other, 1, 10).await);
    assert_eq!(Picture::take(&*storage, &[ada, grace], &[]).await, before);
}

async fn a_link_is_good_until_it_expires_and_not_at_that_moment(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    make(&*storage, link(ada, 1)).await;
    assert!(is_good(&*storage, 1, 59_999).await && !is_good(&*storage, 1, 60_000).await);
    assert_eq!(set(&*storage, ada, 1, "new", 60_000).await, Err(Refusal::Gone));
    assert_eq!(credential(&*storage, ada).await.version, FIRST_CREDENTIAL);
    set(&*storage, ada, 1, "new", 59_999).await.unwrap();
}

async fn a_link_is_found_for_its_user_alone_and_finding_it_changes_nothing(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await;
    let grace = user(&*storage, "grace").await.id;
    make(&*storage, link(ada.id, 1)).await;
    let before = Picture::take(&*storage, &[ada.id, grace], &[]).await;
    for _ in 0..2 {
        assert_eq!(storage.link_find(digest(1), at(1)).await.unwrap().as_ref(), Some(&ada));
    }
    assert!(!is_good(&*storage, 2, 1).await);
    assert_eq!(set(&*storage, grace, 1, "new", 1).await, Err(Refusal::Gone));
    assert_eq!(set(&*storage, ada.id, 2, "new", 1).await, Err(Refusal::Gone));
    assert_eq!(Picture::take(&*storage, &[ada.id, grace], &[]).await, before);
    set(&*storage, ada.id, 1, "new", 2).await.unwrap();
}

async fn a_new_password_voids_the_links_of_its_user_and_of_nobody_else(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    for (owner, byte) in [(ada, 1), (ada, 2), (ada, 3), (grace, 4)] {
        make(&*storage, link(owner, byte)).await;
    }
    set(&*storage, ada, 1, "by link", 1).await.unwrap();
    assert!(!is_good(&*storage, 2, 2).await);
    make(&*storage, link(ada, 5)).await;
    storage.account_set_password(ada, hash("otherwise"), action(3).into()).await.unwrap().unwrap();
    for byte in [2, 3, 5] {
        assert_eq!(set(&*storage, ada, byte, "late", 4).await, Err(Refusal::Gone), "{byte}");
    }
    assert_eq!(credential(&*storage, ada).await.password, hash("otherwise"));
    set(&*storage, grace, 4, "new", 4).await.unwrap();
}

async fn a_banned_users_link_stays_unused_and_is_good_again_after_the_ban(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    make(&*storage, link(ada, 1)).await;
    storage.account_ban(ada, None, action(1).into()).await.unwrap().unwrap();
    let found = storage.link_find(digest(1), at(2)).await.unwrap().unwrap();
    assert_eq!(found.banned_at, Some(at(1)));
    let before = Picture::take(&*storage, &[ada], &[]).await;
    assert_eq!(set(&*storage, ada, 1, "new", 2).await, stale_change(PreconditionFailed::Banned));
    assert_eq!(Picture::take(&*storage, &[ada], &[]).await, before);
    storage.account_unban(ada, action(3).into()).await.unwrap().unwrap();
    set(&*storage, ada, 1, "new", 4).await.unwrap();
}

async fn a_deleted_users_links_are_gone(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    make(&*storage, link(ada, 1)).await;
    storage.account_delete(ada, action(1).into()).await.unwrap().unwrap();
    assert!(!is_good(&*storage, 1, 2).await);
    assert_eq!(set(&*storage, ada, 1, "new", 2).await, Err(Refusal::Gone));
    assert_eq!(storage.link_create(link(ada, 2), action(3).into()).await.unwrap(), Err(Refusal::Gone));
    assert_eq!(storage.prune_links(at(1_000_000)).await.unwrap(), 0);
}

async fn who_may_not_make_a_link_makes_none(database: TestDatabase) {
    let storage = database.open();
    let (root, ada) = (user(&*storage, "root").await.id, user(&*storage, "ada").await.id);
    open(&*storage, root, session(1)).await;
    let wrong_version = asked_by(root, 1, Evidence::Password(FIRST_CREDENTIAL + 1), 2);
    for (authorization, failed) in
        [(plain(root, 2, 2), PreconditionFailed::SessionEnded), (wrong_version, PreconditionFailed::PasswordChanged)]
    {
        assert_eq!(storage.link_create(link(ada, 1), authorization).await.unwrap(), stale_change(failed));
    }
    assert!(!is_good(&*storage, 1, 2).await);
    assert_eq!(recorded(&*storage, AuditKind::LinkMade).await, 0);
    let right = asked_by(root, 1, Evidence::Password(FIRST_CREDENTIAL), 3);
    storage.link_create(link(ada, 1), right).await.unwrap().unwrap();
    let record = trail(&*storage).await.pop().unwrap();
    assert_eq!((record.kind, record.user), (AuditKind::LinkMade, Some(ada)));
    assert_eq!(record.action, action_of(Actor::User(root), 3));
}

async fn of_many_who_use_a_link_at_once_one_succeeds(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    for round in 0..5 {
        let ada = user(&*replicas[0], &format!("ada{round}")).await.id;
        open(&*replicas[0], ada, session(round)).await;
        make(&*replicas[0], link(ada, round as u8)).await;
        let uses = (0..12_usize).map(|number| {
            let storage = Arc::clone(&replicas[number % 2]);
            async move { set(&*storage, ada, round as u8, &format!("new {number}"), 1).await.map(|_| number) }
        });
        let (done, refused): (Vec<_>, Vec<_>) = at_once(uses).await.into_iter().partition(Result::is_ok);
        let [Ok(winner)] = done.as_slice() else { panic!("{done:?}") };
        assert!(refused.iter().all(|outcome| *outcome == Err(Refusal::Gone)), "{refused:?}");
        let stored = credential(&*replicas[1], ada).await;
        let expected = PasswordCredential { password: hash(&format!("new {winner}")), version: FIRST_CREDENTIAL + 1 };
        assert_eq!(stored, expected);
        assert!(live(&*replicas[0], ada).await.is_empty());
    }
    assert_eq!(recorded(&*replicas[0], AuditKind::LinkUsed).await, 5);
}

async fn a_link_and_another_new_password_at_once_leave_one_of_them_and_no_session(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    for round in 0..10_u128 {
        let ada = user(&*replicas[0], &format!("ada{round}")).await.id;
        open(&*replicas[0], ada, session(round)).await;
        make(&*replicas[0], link(ada, round as u8)).await;
        let change = {
            let storage = Arc::clone(&replicas[1]);
            tokio::spawn(async move { storage.account_set_password(ada, hash("b"), action(1).into()).await.unwrap() })
        };
        let by_link = set(&*replicas[0], ada, round as u8, "a", 1).await;
        change.await.unwrap().unwrap();
        // The other change is of the operator, which nothing refuses: where it was the second, it holds.
        let stored = credential(&*replicas[0], ada).await;
        let changes = if by_link.is_ok() { 2 } else { 1 };
        assert_eq!((stored.password, stored.version), (hash("b"), FIRST_CREDENTIAL + changes));
        assert!(by_link.is_ok() || by_link == Err(Refusal::Gone), "{by_link:?}");
        assert!(live(&*replicas[0], ada).await.is_empty());
    }
}

async fn a_link_and_a_ban_at_once_leave_no_session(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    for round in 0..10_u128 {
        let ada = user(&*replicas[0], &format!("ada{round}")).await.id;
        open(&*replicas[0], ada, session(round)).await;
        make(&*replicas[0], link(ada, round as u8)).await;
        let ban = {
            let storage = Arc::clone(&replicas[1]);
            tokio::spawn(async move { storage.account_ban(ada, None, action(1).into()).await.unwrap() })
        };
        let by_link = set(&*replicas[0], ada, round as u8, "a", 1).await;
        ban.await.unwrap().unwrap();
        let version = credential(&*replicas[0], ada).await.version;
        match by_link {
            Ok(_) => assert_eq!(version, FIRST_CREDENTIAL + 1),
            refused => {
                assert_eq!((refused, version), (stale_change(PreconditionFailed::Banned), FIRST_CREDENTIAL));
            }
        }
        assert!(live(&*replicas[0], ada).await.is_empty());
    }
}

async fn links_are_forgotten_when_they_expired_before_the_moment_and_of_the_unused_ones_that_is_recorded(
    database: TestDatabase,
) {
    let storage = database.open();
    let (ada, grace) = (user(&*storage, "ada").await.id, user(&*storage, "grace").await.id);
    let made_by_ada = action_of(Actor::User(ada), 0);
    open(&*storage, ada, session(1)).await;
    make(&*storage, NewLink { expires_at: at(5_000), ..link(ada, 1) }).await;
    storage.link_create(NewLink { expires_at: at(6_000), ..link(grace, 2) }, plain(ada, 1, 0)).await.unwrap().unwrap();
    make(&*storage, NewLink { expires_at: at(7_000), ..link(grace, 3) }).await;
    set(&*storage, ada, 1, "new", 1).await.unwrap();
    for (millis, forgotten, expired) in [(5_000, 0, 0), (5_001, 1, 0), (6_000, 0, 0), (6_001, 1, 1), (9_000, 1, 2)] {
        assert_eq!(storage.prune_links(at(millis)).await.unwrap(), forgotten, "{millis}");
        assert_eq!(recorded(&*storage, AuditKind::LinkExpired).await, expired, "{millis}");
    }
    let records: Vec<_> =
        trail(&*storage).await.into_iter().filter(|record| record.kind == AuditKind::LinkExpired).collect();
    let told: Vec<_> = records.iter().map(|record| (record.user, record.action.by, record.action.at)).collect();
    assert_eq!(
        told,
        [(Some(grace), made_by_ada.by, at(6_000)), (Some(grace), Actor::CommandLine, at(7_000))],
        "of who made it, when it was over"
    );
}

async fn replicas_that_forget_links_at_once_record_each_once(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    for byte in 0..150 {
        make(&*replicas[0], link(ada, byte)).await;
    }
    let pruned = at_once((0..4_usize).map(|turn| {
        let storage = Arc::clone(&replicas[turn % 2]);
        async move {
            let mut sum = 0;
            loop {
                match storage.prune_links(at(1_000_000)).await.unwrap() {
                    0 => return sum,
                    more => sum += more,
                }
            }
        }
    }))
    .await;
    // Who comes upon a batch that another one is at sees nothing left to do, and asks again later.
    let rest = replicas[0].prune_links(at(1_000_000)).await.unwrap();
    assert_eq!(pruned.iter().sum::<u64>() + rest, 150);
    assert_eq!(recorded(&*replicas[0], AuditKind::LinkExpired).await, 150);
    let numbers: BTreeSet<_> = trail(&*replicas[0]).await.iter().map(|record| record.number).collect();
    assert_eq!(numbers.len(), trail(&*replicas[0]).await.len());
}

async fn a_link_is_made_once_even_after_it_was_used(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let ada = user(&*storage, "ada").await.id;
    make(&*storage, link(ada, 1)).await;
    for used in [false, true] {
        if used {
            set(&*storage, ada, 1, "new", 1).await.unwrap();
        }
        let before = Picture::take(&*storage, &[ada], &[]).await;
        assert_eq!(other.link_create(link(ada, 1), action(2).into()).await.unwrap(), Err(Refusal::Taken));
        assert_eq!(Picture::take(&*storage, &[ada], &[]).await, before);
        assert_eq!(is_good(&*storage, 1, 3).await, !used);
    }
    assert_eq!(recorded(&*storage, AuditKind::LinkMade).await, 1);
}
