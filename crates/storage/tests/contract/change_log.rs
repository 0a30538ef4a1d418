//! The numbered changes, by which replicas learn what they must not cache any longer.

mod cursors;
mod interleavings;
mod operations;
mod unseen;

use std::collections::BTreeSet;
use std::sync::Arc;

use thunderhead_domain::change_authorization::ChangeAuthorization;
use thunderhead_domain::factor::FactorChoice;
use thunderhead_domain::id::{SessionId, UserId};
use thunderhead_domain::ports::{
    ChangeCursor, Invalidation, Invalidations, Overdue, Storage, Stored, TokenReplacement,
};
use thunderhead_domain::session::{EndReason, NewSession};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::user::{EmailAddress, PasswordHash, Username};
use thunderhead_testkit::{TestDatabase, on_both_engines};
use tokio::task::JoinSet;

use self::operations::{CHANGING, READING, WRITING};
use crate::support::{
    FIRST_STEP, Intruder, Picture, STAY, WHY, action, at, at_once, digest, enrol, link, open, passkey, plain, session,
    step, stepping_up, totp, user, uuid, webauthn,
};

on_both_engines!(async:
    every_operation_of_the_ports_is_listed_here,
    what_changes_a_user_a_session_or_a_switch_leaves_a_change_that_says_so,
    what_is_refused_leaves_no_change,
    what_changes_nothing_any_more_leaves_no_change,
    nothing_is_changed_where_no_change_can_be_left,
    changes_are_numbered_without_gaps_in_the_order_of_their_commits,
    each_change_has_a_nonce_of_its_own,
    those_who_change_users_of_many_partitions_at_once_do_not_wait_for_each_other,
);

/// Whom something is done to.
#[derive(Clone)]
struct Subject {
    number: u128,
    user: UserId,
    /// The id of their full session.
    session: SessionId,
}

impl Subject {
    /// A user with an app, a full session of the number that is given, and a further one with an opaque token that
    /// has a second factor pending.
    async fn new(storage: &dyn Storage, number: u128) -> Self {
        let user = user(storage, &format!("user{number}")).await.id;
        enrol(storage, user, totp(number), vec![]).await;
        let made = open(storage, user, session(number)).await;
        let opaque = Some(digest(number as u8));
        open(storage, user, NewSession { opaque, second_factor_pending: true, ..session(number + 1) }).await;
        Self { number, user, session: made.id }
    }

    /// One who can be unbanned, or switches that can be cleared.
    async fn ready_for(storage: &dyn Storage, operation: &str, number: u128) -> Self {
        let subject = Self::new(storage, number).await;
        match operation {
            "account_unban" => {
                storage.account_ban(subject.user, None, action(1).into()).await.unwrap().unwrap();
            }
            "switch_clear" => {
                storage.switch_set(KillSwitch::FileDelete, true, action(1).into()).await.unwrap().unwrap();
            }
            "session_confirm" => {
                let opaque = Some(digest(number as u8 + 2));
                open(storage, subject.user, NewSession { opaque, ..session(number + 2) }).await;
            }
            "account_remove_password" => {
                for passkey in [passkey(number + 5, 0, true), passkey(number + 6, 0, true)] {
                    enrol(storage, subject.user, passkey, vec![]).await;
                }
            }
            "link_use_for_passkey" => {
                let none = storage.factor_remove(subject.user, FactorChoice::All, STAY, action(1).into());
                none.await.unwrap().unwrap();
                storage.link_create(link(subject.user, number as u8), action(1).into()).await.unwrap().unwrap();
            }
            "link_use" => {
                storage.link_create(link(subject.user, number as u8), action(1).into()).await.unwrap().unwrap();
            }
            _ => {}
        }
        subject
    }

    /// One who is not there.
    fn nobody() -> Self {
        Self { number: 200, user: UserId::from_number(1), session: SessionId::from_number(1) }
    }
}

/// Does it; `false` where it was refused or found nothing to do.
async fn perform(storage: &dyn Storage, operation: &str, whom: &Subject, by: ChangeAuthorization) -> Stored<bool> {
    let Subject { number, user, session } = *whom;
    let action = action(10);
    Ok(match operation {
        "account_rename" => {
            let name = Username::try_from(format!("renamed{number}")).unwrap();
            storage.account_rename(user, name, by).await?.is_ok()
        }
        "account_readdress" => {
            let address = EmailAddress::from_checked(format!("new{number}@example.org"));
            storage.account_readdress(user, address, by).await?.is_ok()
        }
        "account_set_password" => {
            storage.account_set_password(user, PasswordHash::new("new".to_owned()), by).await?.is_ok()
        }
        "account_remove_password" => {
            storage.account_remove_password(user, PasswordHash::new("nobody's".to_owned()), by).await?.is_ok()
        }
        "account_set_verified" => storage.account_set_verified(user, true, by).await?.is_ok(),
        "account_ban" => storage.account_ban(user, None, by).await?.is_ok(),
        "account_unban" => storage.account_unban(user, by).await?.is_ok(),
        "account_set_staff" => storage.account_set_staff(user, true, by).await?.is_ok(),
        "account_delete" => storage.account_delete(user, by).await?.is_ok(),
        "account_delete_some" => storage.account_delete_some(&[user], by).await?.is_ok_and(|count| count > 0),
        "session_step_up" => {
            let factor = stepping_up(user, step(number, FIRST_STEP + 1));
            storage.session_step_up(user, uuid(number + 1), factor, action).await?.is_ok()
        }
        "session_confirm" => {
            let token = TokenReplacement { old: digest(number as u8 + 2), new: digest(number as u8 + 3) };
            storage.session_confirm(uuid(number + 2), user, token, &[], by).await?.is_ok()
        }
        "session_set_pass" => storage.session_set_pass(uuid(number), user, digest(number as u8), at(10)).await?,
        "session_extend" => storage.session_extend(uuid(number + 1), at(9_000_000), action).await?.is_some(),
        "session_end" => storage.session_end(user, session, WHY, action).await?,
        "session_end_some" => storage.session_end_some(user, &[session], WHY, action).await? > 0,
        "session_end_all" => storage.session_end_all(user, WHY, action).await? > 0,
        "session_end_others" => storage.session_end_others(user, uuid(number + 1), WHY, action).await? > 0,
        "session_end_everywhere" => storage.session_end_everywhere(at(1_000), WHY, action).await? > 0,
        "session_end_over_cap" => storage.session_end_over_cap(user, &[uuid(number)], action).await? > 0,
        "session_end_overdue" => {
            let end = action.end(EndReason::Idle);
            let overdue = Overdue { user, session: uuid(number), used_at: None, end };
            storage.session_end_overdue(&[overdue], action.at).await? > 0
        }
        "switch_set" => storage.switch_set(KillSwitch::FileModify, true, by).await?.is_ok(),
        "switch_clear" => storage.switch_clear(by).await?.is_ok(),
        "factor_add" => storage.factor_add(user, webauthn(number + 1, 0), vec![], STAY, by).await?.is_ok(),
        "factor_remove" => storage.factor_remove(user, FactorChoice::All, STAY, by).await?.is_ok_and(|count| count > 0),
        "link_use" => {
            storage.link_use(user, digest(number as u8), PasswordHash::new("new".to_owned()), action).await?.is_ok()
        }
        "link_use_for_passkey" => {
            let (link, nobodys) = (digest(number as u8), PasswordHash::new("nobody's".to_owned()));
            let new = passkey(number + 5, 0, false);
            storage.link_use_for_passkey(user, link, nobodys, new, vec![], action).await?.is_ok()
        }
        _ => panic!("{operation} changes nothing"),
    })
}

/// The latest changes.
async fn latest(storage: &dyn Storage) -> ChangeCursor {
    storage.changes_since(&ChangeCursor::default()).await.unwrap().latest
}

async fn since(storage: &dyn Storage, known: &ChangeCursor) -> Invalidations {
    storage.changes_since(known).await.unwrap()
}

/// Nothing has changed since then.
fn nothing(known: &ChangeCursor) -> Invalidations {
    Invalidations { latest: known.clone(), invalidations: vec![] }
}

/// The partition of a user's changes: leaves two.
async fn partition_of(storage: &dyn Storage, user: UserId) -> usize {
    let before = latest(storage).await;
    verify(storage, user, true).await;
    verify(storage, user, false).await;
    let after = latest(storage).await;
    let mut changed =
        (0..).zip(before.partitions().iter().zip(after.partitions()).map(|(before, after)| before != after));
    changed.find(|(_, changed)| *changed).unwrap().0
}

async fn verify(storage: &dyn Storage, user: UserId, verified: bool) {
    storage.account_set_verified(user, verified, action(1).into()).await.unwrap().unwrap();
}

async fn every_operation_of_the_ports_is_listed_here(_: TestDatabase) {
    let ports = [
        include_str!("../../../domain/src/ports.rs"),
        include_str!("../../../domain/src/ports/accounts.rs"),
        include_str!("../../../domain/src/ports/backlog.rs"),
        include_str!("../../../domain/src/ports/changes.rs"),
        include_str!("../../../domain/src/ports/factors.rs"),
        include_str!("../../../domain/src/ports/feed.rs"),
        include_str!("../../../domain/src/ports/imports.rs"),
        include_str!("../../../domain/src/ports/keys.rs"),
        include_str!("../../../domain/src/ports/links.rs"),
        include_str!("../../../domain/src/ports/sessions.rs"),
        include_str!("../../../domain/src/ports/webhooks.rs"),
    ];
    let operations = ports.iter().flat_map(|text| text.split("async fn ").skip(1));
    let operations = operations.filter_map(|rest| rest.split(['(', '<']).next());
    let listed = CHANGING.into_iter().chain(WRITING).chain(READING);
    assert_eq!(operations.collect::<BTreeSet<_>>(), listed.collect());
}

async fn what_changes_a_user_a_session_or_a_switch_leaves_a_change_that_says_so(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    for (number, operation) in (0..).step_by(10).zip(CHANGING) {
        let whom = Subject::ready_for(&*storage, operation, number).await;
        let before = latest(&*other).await;
        assert!(perform(&*storage, operation, &whom, action(10).into()).await.unwrap(), "{operation}");
        let invalidation = match operation {
            "switch_set" | "switch_clear" => Invalidation::Switches,
            "session_end_everywhere" => Invalidation::Everything,
            _ => Invalidation::User(whom.user),
        };
        let invalidations = since(&*other, &before).await;
        assert!(
            !invalidations.invalidations.is_empty()
                && invalidations.invalidations.iter().all(|told| *told == invalidation),
            "{operation}: {invalidations:?}"
        );
        assert_eq!(
            invalidations.latest.changes() - before.changes(),
            invalidations.invalidations.len() as i64,
            "{operation}"
        );
        assert_eq!(since(&*other, &invalidations.latest).await, nothing(&invalidations.latest), "{operation}");
    }
}

async fn what_is_refused_leaves_no_change(database: TestDatabase) {
    let storage = database.open();
    let of_nobody = ["session_end_everywhere", "switch_set", "switch_clear"];
    for operation in CHANGING.into_iter().filter(|operation| !of_nobody.contains(operation)) {
        let before = latest(&*storage).await;
        let done = perform(&*storage, operation, &Subject::nobody(), action(10).into()).await.unwrap();
        assert!(!done, "{operation} of nobody");
        assert_eq!(since(&*storage, &before).await, nothing(&before), "{operation} of nobody");
    }
    for (number, operation) in (0..).step_by(10).zip(CHANGING) {
        if operation.starts_with("session_") || operation.starts_with("link_use") {
            // No authorization is needed.
            continue;
        }
        let whom = Subject::ready_for(&*storage, operation, number).await;
        let before = latest(&*storage).await;
        let by = plain(whom.user, 9_999, 10);
        assert!(!perform(&*storage, operation, &whom, by).await.unwrap(), "{operation} by an ended session");
        assert_eq!(since(&*storage, &before).await, nothing(&before), "{operation} by an ended session");
    }
}

async fn what_changes_nothing_any_more_leaves_no_change(database: TestDatabase) {
    let storage = database.open();
    for (number, operation) in (0..).step_by(10).zip(CHANGING) {
        // A password and a pass are always new ones, and an end of everybody's is recorded each time.
        if ["account_set_password", "session_set_pass", "session_end_everywhere"].contains(&operation) {
            continue;
        }
        let whom = Subject::ready_for(&*storage, operation, number).await;
        perform(&*storage, operation, &whom, action(10).into()).await.unwrap();
        let before = latest(&*storage).await;
        perform(&*storage, operation, &whom, action(10).into()).await.unwrap();
        assert_eq!(since(&*storage, &before).await, nothing(&before), "{operation}");
    }
}

async fn nothing_is_changed_where_no_change_can_be_left(database: TestDatabase) {
    let storage = database.open();
    for (number, operation) in (0..).step_by(10).zip(CHANGING) {
        let whom = Subject::ready_for(&*storage, operation, number).await;
        let before = Picture::take(&*storage, &[whom.user], &[]).await;
        let mut intruder = Intruder::new(&database);
        intruder.run("ALTER TABLE change_log RENAME TO log_elsewhere");
        let done = perform(&*storage, operation, &whom, action(10).into()).await;
        intruder.run("ALTER TABLE log_elsewhere RENAME TO change_log");
        assert!(done.is_err(), "{operation}: {done:?}");
        assert_eq!(Picture::take(&*storage, &[whom.user], &[]).await, before, "{operation}");
    }
}

async fn changes_are_numbered_without_gaps_in_the_order_of_their_commits(database: TestDatabase) {
    const WRITERS: u128 = 8;
    const EACH: i64 = 12;
    let storage = database.open();
    let mut users = Vec::new();
    for number in 0..WRITERS {
        users.push(user(&*storage, &format!("user{number}")).await.id);
    }
    let first = latest(&*storage).await;
    let mut writers = JoinSet::new();
    for user in users.clone() {
        // SQLite lets one process write at a time, and does not queue those that wait.
        let one = database.url().sqlite_path().is_some();
        let storage = if one { Arc::clone(&storage) } else { database.open() };
        writers.spawn(async move {
            for turn in 0..EACH {
                storage.account_set_verified(user, turn % 2 == 0, action(turn).into()).await.unwrap().unwrap();
            }
        });
    }
    // Whoever asks meanwhile misses nothing, and is told nothing twice.
    let (mut known, mut told) = (first.clone(), Vec::new());
    loop {
        let over = writers.is_empty();
        let invalidations = since(&*storage, &known).await;
        assert_eq!(invalidations.latest.changes() - known.changes(), invalidations.invalidations.len() as i64);
        known = invalidations.latest;
        told.extend(invalidations.invalidations);
        if over {
            break;
        }
        while writers.try_join_next().map(Result::unwrap).is_some() {}
        tokio::task::yield_now().await;
    }
    for user in users {
        let count = told.iter().filter(|invalidation| **invalidation == Invalidation::User(user)).count();
        assert_eq!(count as i64, EACH);
    }
    assert_eq!(known.changes() - first.changes(), told.len() as i64);
}

async fn each_change_has_a_nonce_of_its_own(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let at = partition_of(&*storage, ada).await;
    let mut nonces = BTreeSet::new();
    for turn in 0..8 {
        verify(&*storage, ada, turn % 2 == 0).await;
        nonces.insert(latest(&*storage).await.partitions()[at].nonce);
    }
    let first: Vec<_> = latest(&*storage).await.partitions().iter().map(|partition| partition.nonce).collect();
    nonces.extend(&first);
    assert_eq!(nonces.len(), 7 + first.len());
}

async fn those_who_change_users_of_many_partitions_at_once_do_not_wait_for_each_other(database: TestDatabase) {
    const CHANGERS: usize = 6;
    const EACH: usize = 20;
    let storage = database.open();
    let mut users = Vec::new();
    for number in 0..CHANGERS * EACH {
        users.push(user(&*storage, &format!("user{number}")).await.id);
    }
    let first = latest(&*storage).await;
    let deletions: Vec<_> = (0..CHANGERS).map(|nth| users.iter().skip(nth).step_by(CHANGERS).copied()).collect();
    let deletions = deletions.into_iter().enumerate().map(|(nth, users)| {
        let (storage, mut users) = (Arc::clone(&storage), users.collect::<Vec<_>>());
        users.rotate_left(nth * 3);
        async move { storage.account_delete_some(&users, action(1).into()).await.unwrap().unwrap() }
    });
    assert_eq!(at_once(deletions).await, [EACH as u64; CHANGERS]);
    let Invalidations { latest, mut invalidations } = since(&*storage, &first).await;
    assert_eq!(latest.changes() - first.changes(), users.len() as i64);
    invalidations.sort_by_key(|told| match told {
        Invalidation::User(user) => *user,
        other => panic!("{other:?}"),
    });
    users.sort();
    assert_eq!(invalidations, users.into_iter().map(Invalidation::User).collect::<Vec<_>>());
}
