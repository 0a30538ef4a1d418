//! The numbered changes, by which replicas learn what they must not cache any longer.

mod operations;
mod unseen;

use std::collections::BTreeSet;
use std::sync::Arc;

use thunderhead_domain::budget::BudgetKey;
use thunderhead_domain::change_authorization::ChangeAuthorization;
use thunderhead_domain::factor::FactorChoice;
use thunderhead_domain::id::{SessionId, UserId};
use thunderhead_domain::ports::{
    ChangeCursor, ChangeNumber, Invalidation, Invalidations, Storage, Stored, TokenReplacement,
};
use thunderhead_domain::session::NewSession;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::user::{EmailAddress, PasswordHash, Username};
use thunderhead_testkit::{TestDatabase, on_both_engines};
use tokio::task::JoinSet;

use self::operations::{CHANGING, READING, WRITING};
use crate::support::{
    CAP, FIRST_STEP, Intruder, Picture, WHY, action, at, digest, enrol, link, open, plain, session, step, totp, user,
    uuid, webauthn,
};

on_both_engines!(async:
    every_operation_of_the_ports_is_listed_here,
    what_changes_a_user_a_session_or_a_switch_leaves_a_change_that_says_so,
    what_is_refused_leaves_no_change,
    what_changes_nothing_any_more_leaves_no_change,
    nothing_is_changed_where_no_change_can_be_left,
    changes_are_numbered_without_gaps_in_the_order_of_their_commits,
    who_has_missed_more_than_is_told_is_told_of_everything,
    who_has_missed_what_is_no_longer_kept_is_told_of_everything,
    who_knows_a_number_that_was_never_given_is_told_of_everything,
    who_knows_a_change_from_before_a_backup_was_restored_is_told_of_everything,
    the_latest_change_alone_is_taken_for_it_on_the_spot,
    a_stamp_is_the_same_as_long_as_nothing_is_committed_anywhere,
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
        "account_set_verified" => storage.account_set_verified(user, true, by).await?.is_ok(),
        "account_ban" => storage.account_ban(user, None, by).await?.is_ok(),
        "account_unban" => storage.account_unban(user, by).await?.is_ok(),
        "account_set_staff" => storage.account_set_staff(user, true, by).await?.is_ok(),
        "account_delete" => storage.account_delete(user, by).await?.is_ok(),
        "account_delete_some" => storage.account_delete_some(&[user], by).await?.is_ok_and(|count| count > 0),
        "session_step_up" => {
            let (used, clears) = (step(number, FIRST_STEP + 1), BudgetKey::Account(user));
            storage.session_step_up(user, uuid(number + 1), used, CAP, &clears, action).await?.is_ok()
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
        "switch_set" => storage.switch_set(KillSwitch::FileModify, true, by).await?.is_ok(),
        "switch_clear" => storage.switch_clear(by).await?.is_ok(),
        "factor_add" => storage.factor_add(user, webauthn(number + 1, 0), vec![], by).await?.is_ok(),
        "factor_remove" => storage.factor_remove(user, FactorChoice::All, by).await?.is_ok_and(|count| count > 0),
        "link_use" => {
            storage.link_use(user, digest(number as u8), PasswordHash::new("new".to_owned()), action).await?.is_ok()
        }
        _ => panic!("{operation} changes nothing"),
    })
}

/// The latest change.
async fn latest(storage: &dyn Storage) -> ChangeCursor {
    storage.changes_since(change(i64::MAX, 0)).await.unwrap().latest
}

const fn change(number: i64, nonce: i64) -> ChangeCursor {
    ChangeCursor { number: ChangeNumber(number), nonce }
}

async fn since(storage: &dyn Storage, known: ChangeCursor) -> Invalidations {
    storage.changes_since(known).await.unwrap()
}

/// Nothing has changed since then.
fn nothing(known: ChangeCursor) -> Invalidations {
    Invalidations { latest: known, invalidations: vec![] }
}

async fn every_operation_of_the_ports_is_listed_here(_: TestDatabase) {
    let ports = [
        include_str!("../../../domain/src/ports.rs"),
        include_str!("../../../domain/src/ports/accounts.rs"),
        include_str!("../../../domain/src/ports/backlog.rs"),
        include_str!("../../../domain/src/ports/factors.rs"),
        include_str!("../../../domain/src/ports/keys.rs"),
        include_str!("../../../domain/src/ports/links.rs"),
        include_str!("../../../domain/src/ports/sessions.rs"),
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
        let invalidations = since(&*other, before).await;
        assert!(
            !invalidations.invalidations.is_empty()
                && invalidations.invalidations.iter().all(|told| *told == invalidation),
            "{operation}: {invalidations:?}"
        );
        assert_eq!(
            invalidations.latest.number.0 - before.number.0,
            invalidations.invalidations.len() as i64,
            "{operation}"
        );
        assert_eq!(since(&*other, invalidations.latest).await, nothing(invalidations.latest), "{operation}");
    }
}

async fn what_is_refused_leaves_no_change(database: TestDatabase) {
    let storage = database.open();
    let of_nobody = ["session_end_everywhere", "switch_set", "switch_clear"];
    for operation in CHANGING.into_iter().filter(|operation| !of_nobody.contains(operation)) {
        let before = latest(&*storage).await;
        let done = perform(&*storage, operation, &Subject::nobody(), action(10).into()).await.unwrap();
        assert!(!done, "{operation} of nobody");
        assert_eq!(since(&*storage, before).await, nothing(before), "{operation} of nobody");
    }
    for (number, operation) in (0..).step_by(10).zip(CHANGING) {
        if operation.starts_with("session_") || operation == "link_use" {
            // No authorization is needed.
            continue;
        }
        let whom = Subject::ready_for(&*storage, operation, number).await;
        let before = latest(&*storage).await;
        let by = plain(whom.user, 9_999, 10);
        assert!(!perform(&*storage, operation, &whom, by).await.unwrap(), "{operation} by an ended session");
        assert_eq!(since(&*storage, before).await, nothing(before), "{operation} by an ended session");
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
        assert_eq!(since(&*storage, before).await, nothing(before), "{operation}");
    }
}

async fn nothing_is_changed_where_no_change_can_be_left(database: TestDatabase) {
    let storage = database.open();
    for (number, operation) in (0..).step_by(10).zip(CHANGING) {
        let whom = Subject::ready_for(&*storage, operation, number).await;
        let before = Picture::take(&*storage, &[whom.user], &[]).await;
        let mut intruder = Intruder::new(&database);
        intruder.run("ALTER TABLE changes RENAME TO changes_elsewhere");
        let done = perform(&*storage, operation, &whom, action(10).into()).await;
        intruder.run("ALTER TABLE changes_elsewhere RENAME TO changes");
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
    let (mut known, mut told) = (first, Vec::new());
    loop {
        let over = writers.is_empty();
        let invalidations = since(&*storage, known).await;
        assert_eq!(invalidations.latest.number.0 - known.number.0, invalidations.invalidations.len() as i64);
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
    assert_eq!(known.number.0 - first.number.0, told.len() as i64);
}

/// Adds so many changes of one user, past the storage, and tells them by their numbers. Only where no change was left
/// before.
async fn add_changes(database: &TestDatabase, storage: &dyn Storage, count: u32) -> impl Fn(i64) -> ChangeCursor {
    let mut intruder = Intruder::new(database);
    intruder.add(count, "changes (number, invalidation, user_id, nonce)", "n, 'user', 7, n");
    intruder.run(&format!("UPDATE change_counter SET number = {count}"));
    // What Postgres adds to the nonce is the same for all: one transaction has written them.
    let added = latest(storage).await.nonce ^ i64::from(count);
    move |number| change(number, number ^ added)
}

async fn who_has_missed_more_than_is_told_is_told_of_everything(database: TestDatabase) {
    let storage = database.open();
    let first = latest(&*storage).await;
    let numbered = add_changes(&database, &*storage, 1_001).await;
    let latest = numbered(1_001);
    assert_eq!(since(&*storage, first).await, Invalidations { latest, invalidations: vec![Invalidation::Everything] });
    let told = since(&*storage, numbered(1)).await;
    assert_eq!(told, Invalidations { latest, invalidations: vec![Invalidation::User(UserId::from_number(7)); 1_000] });
}

async fn who_has_missed_what_is_no_longer_kept_is_told_of_everything(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let before = 40 * 256 - 1;
    let numbered = add_changes(&database, &*storage, before).await;
    storage.account_set_verified(ada, true, action(1).into()).await.unwrap().unwrap();
    let Invalidations { latest, invalidations } = since(&*storage, numbered(before.into())).await;
    assert_eq!((latest.number.0, invalidations), (i64::from(before) + 1, vec![Invalidation::User(ada)]));
    let number = latest.number.0;
    // 10,000 are kept: this fails where an older one is left.
    let again = "INSERT INTO changes (number, invalidation) SELECT number, invalidation FROM changes WHERE number";
    Intruder::new(&database).run(&format!("{again} <= {}", number - 10_000));
    // And this does where a younger one is gone.
    let gone = format!("(SELECT COUNT(*) FROM changes WHERE number > {})", number - 10_000);
    Intruder::new(&database).run(&format!("{again} = {} AND {gone} <> 10000", number));
    for missed in [0, 1, number - 10_000, number - 1_001] {
        let invalidations = since(&*storage, numbered(missed)).await;
        assert_eq!(invalidations, Invalidations { latest, invalidations: vec![Invalidation::Everything] }, "{missed}");
    }
}

async fn who_knows_a_number_that_was_never_given_is_told_of_everything(database: TestDatabase) {
    let storage = database.open();
    let first = latest(&*storage).await;
    let everything = |latest| Invalidations { latest, invalidations: vec![Invalidation::Everything] };
    for unknown in [1, 1_000_000, i64::MAX, -1, i64::MIN] {
        assert_eq!(since(&*storage, change(unknown, first.nonce)).await, everything(first), "{unknown}");
    }
    let ada = user(&*storage, "ada").await.id;
    storage.account_set_verified(ada, true, action(1).into()).await.unwrap().unwrap();
    let second = latest(&*storage).await;
    assert_eq!(second.number, ChangeNumber(1));
    assert_eq!(since(&*storage, change(2, second.nonce)).await, everything(second));
    assert_eq!(
        since(&*storage, first).await,
        Invalidations { latest: second, invalidations: vec![Invalidation::User(ada)] }
    );
}

async fn who_knows_a_change_from_before_a_backup_was_restored_is_told_of_everything(database: TestDatabase) {
    let storage = database.open();
    let mut intruder = Intruder::new(&database);
    let (ada, eve) = (user(&*storage, "ada").await.id, user(&*storage, "eve").await.id);
    let verify = async |user, verified| storage.account_set_verified(user, verified, action(1).into()).await.unwrap();
    verify(ada, true).await.unwrap();
    let kept = latest(&*storage).await;
    intruder.run("CREATE TABLE kept_counter AS SELECT * FROM change_counter");
    intruder.run("CREATE TABLE kept_changes AS SELECT * FROM changes");
    for verified in [false, true] {
        verify(ada, verified).await.unwrap();
    }
    let known = latest(&*storage).await;

    intruder.run("UPDATE change_counter SET number = (SELECT number FROM kept_counter)");
    intruder.run("DELETE FROM changes");
    intruder.run("INSERT INTO changes SELECT * FROM kept_changes");
    // A Postgres database that was restored is another one even where nothing has changed since the backup: sessions
    // may have been opened, which leaves no change.
    let again = latest(&*storage).await;
    match database.url().sqlite_path() {
        Some(_) => assert_eq!(since(&*storage, kept).await, nothing(kept)),
        None => {
            let everything = Invalidations { latest: again, invalidations: vec![Invalidation::Everything] };
            assert_eq!(since(&*storage, kept).await, everything);
        }
    }
    // The number that was known is not there yet, is the latest, and is one of many.
    for (turn, verified) in [true, false, true, false].into_iter().enumerate() {
        verify(eve, verified).await.unwrap();
        let latest = latest(&*storage).await;
        assert_eq!(latest.number.0, again.number.0 + 1 + turn as i64);
        assert_eq!(
            since(&*storage, known).await,
            Invalidations { latest, invalidations: vec![Invalidation::Everything] },
            "{turn}"
        );
        let since_then = Invalidations { latest, invalidations: vec![Invalidation::User(eve); turn + 1] };
        assert_eq!(since(&*storage, again).await, since_then);
    }
}

/// SQLite shows it; of a server across a network nothing is seen.
async fn a_stamp_is_the_same_as_long_as_nothing_is_committed_anywhere(database: TestDatabase) {
    let (storage, elsewhere) = (database.open(), database.open());
    let ada = user(&*storage, "ada").await.id;
    assert_eq!(storage.commit_stamp(), None, "nothing was asked yet");
    let known = latest(&*storage).await;
    let mut seen = vec![storage.commit_stamp()];
    assert_eq!(seen[0].is_some(), !database.url_text().starts_with("postgres"));
    for (number, by) in [&storage, &elsewhere, &storage, &elsewhere].into_iter().enumerate() {
        assert!(since(&*storage, known).await.invalidations.len() == number && storage.ping().await.is_ok());
        assert_eq!(storage.commit_stamp(), *seen.last().unwrap(), "it was but read");
        by.account_set_verified(ada, number % 2 == 0, action(1).into()).await.unwrap().unwrap();
        let stamp = storage.commit_stamp();
        assert!(stamp.is_none() || !seen.contains(&stamp), "{number}");
        seen.push(stamp);
    }
    Intruder::new(&database).run("UPDATE users SET verified_at = 77");
    assert!(storage.commit_stamp().is_none_or(|stamp| !seen.contains(&Some(stamp))), "past the storage");
}

/// SQLite can tell at once; a server across a network cannot.
async fn the_latest_change_alone_is_taken_for_it_on_the_spot(database: TestDatabase) {
    let (storage, elsewhere) = (database.open(), database.open());
    let at_once = !database.url_text().starts_with("postgres");
    let ada = user(&*storage, "ada").await.id;
    let mut known = latest(&*storage).await;
    for (verified, by) in [(true, &storage), (false, &elsewhere), (true, &elsewhere), (false, &storage)] {
        assert_eq!(storage.is_latest(known), at_once);
        by.account_set_verified(ada, verified, action(1).into()).await.unwrap().unwrap();
        assert!(!storage.is_latest(known), "a change elsewhere is seen as one here");
        known = since(&*storage, known).await.latest;
    }
    let ChangeCursor { number, nonce } = known;
    assert!(!storage.is_latest(ChangeCursor { number, nonce: nonce ^ 1 }), "another history");
    assert!(!storage.is_latest(change(number.0 + 1, nonce)) && !storage.is_latest(change(number.0 - 1, nonce)));
}
