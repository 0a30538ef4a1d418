//! Who knows a state that the log does not lead from, or too much has changed since, is told of everything.

use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{ChangeCursor, ChangeNumber, Invalidation, Invalidations, PartitionCursor, Storage};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{latest, nothing, partition_of, since, verify};
use crate::support::{Intruder, action, user};

on_both_engines!(async:
    who_has_missed_more_than_is_told_is_told_of_everything,
    who_has_missed_more_than_is_told_in_all_is_told_of_everything,
    who_has_missed_what_is_no_longer_kept_is_told_of_everything,
    who_knows_a_number_that_was_never_given_is_told_of_everything,
    who_knows_a_change_from_before_a_backup_was_restored_is_told_of_everything,
    the_latest_change_alone_is_taken_for_it_on_the_spot,
    a_stamp_is_the_same_as_long_as_nothing_is_committed_anywhere,
);

/// Anything may have.
fn everything(latest: &ChangeCursor) -> Invalidations {
    Invalidations { latest: latest.clone(), invalidations: vec![Invalidation::Everything] }
}

/// The same state with another change of one partition.
fn with(known: &ChangeCursor, partition: usize, number: i64, nonce: i64) -> ChangeCursor {
    let other = PartitionCursor { number: ChangeNumber(number), nonce };
    let partitions = known.partitions().iter().enumerate();
    partitions.map(|(at, known)| if at == partition { other } else { *known }).collect()
}

/// Adds so many changes of one user to a partition, past the storage and in place of those that were there; tells states
/// by the partition's number.
async fn add_changes(
    database: &TestDatabase,
    storage: &dyn Storage,
    partition: usize,
    count: u32,
) -> impl Fn(i64) -> ChangeCursor {
    let mut intruder = Intruder::new(database);
    let first = latest(storage).await;
    intruder.run(&format!("DELETE FROM change_log WHERE partition = {partition} AND number > 0"));
    let row = format!("{partition}, n, 'user', 7, n");
    intruder.add(count, "change_log (partition, number, invalidation, user_id, nonce)", &row);
    let latest = format!("UPDATE change_counters SET number = {count}, nonce = {count} WHERE partition = {partition}");
    intruder.run(&latest);
    move |number| with(&first, partition, number, number)
}

/// The last partition: on Postgres of users, on SQLite the one that there is.
async fn last_partition(storage: &dyn Storage) -> usize {
    latest(storage).await.partitions().len() - 1
}

async fn who_has_missed_more_than_is_told_is_told_of_everything(database: TestDatabase) {
    let storage = database.open();
    let (first, at) = (latest(&*storage).await, last_partition(&*storage).await);
    let numbered = add_changes(&database, &*storage, at, 1_001).await;
    let latest = numbered(1_001);
    assert_eq!(since(&*storage, &first).await, everything(&latest));
    let told = since(&*storage, &numbered(1)).await;
    assert_eq!(told, Invalidations { latest, invalidations: vec![Invalidation::User(UserId::from_number(7)); 1_000] });
}

async fn who_has_missed_more_than_is_told_in_all_is_told_of_everything(database: TestDatabase) {
    let storage = database.open();
    let first = latest(&*storage).await;
    let partitions = first.partitions().len() as i64;
    let mut known = first.clone();
    let mut missed = 0;
    for at in 1..first.partitions().len() {
        let numbered = add_changes(&database, &*storage, at, 160).await;
        known = with(&known, at, 1, numbered(1).partitions()[at].nonce);
        missed += 159;
        // The one that is known is read along, in each partition.
        let told = since(&*storage, &known).await;
        assert_eq!(told.latest, latest(&*storage).await);
        if missed + at as i64 >= 10_000 {
            assert_eq!(told.invalidations, [Invalidation::Everything]);
        } else {
            assert_eq!(told.invalidations.len() as i64, missed);
        }
    }
    assert!(partitions == 1 || missed > 10_000);
}

async fn who_has_missed_what_is_no_longer_kept_is_told_of_everything(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let at = partition_of(&*storage, ada).await;
    let before = 40 * 100 - 1;
    let numbered = add_changes(&database, &*storage, at, before).await;
    verify(&*storage, ada, true).await;
    let Invalidations { latest, invalidations } = since(&*storage, &numbered(before.into())).await;
    let number = latest.partitions()[at].number.0;
    assert_eq!((number, invalidations), (i64::from(before) + 1, vec![Invalidation::User(ada)]));
    // 1,000 are kept: this fails where an older one is left.
    let again = format!(
        "INSERT INTO change_log (partition, number, invalidation, nonce)
            SELECT partition, number, invalidation, nonce FROM change_log WHERE partition = {at} AND number"
    );
    Intruder::new(&database).run(&format!("{again} <= {}", number - 1_000));
    // And this does where a younger one is gone.
    let gone = format!("(SELECT COUNT(*) FROM change_log WHERE partition = {at} AND number > {})", number - 1_000);
    Intruder::new(&database).run(&format!("{again} = {number} AND {gone} <> 1000"));
    for missed in [0, 1, number - 1_000, number - 1_001] {
        assert_eq!(since(&*storage, &numbered(missed)).await, everything(&latest), "{missed}");
    }
}

async fn who_knows_a_number_that_was_never_given_is_told_of_everything(database: TestDatabase) {
    let storage = database.open();
    let first = latest(&*storage).await;
    for at in [0, last_partition(&*storage).await] {
        let nonce = first.partitions()[at].nonce;
        for unknown in [1, 1_000_000, i64::MAX, -1, i64::MIN] {
            assert_eq!(since(&*storage, &with(&first, at, unknown, nonce)).await, everything(&first), "{unknown}");
        }
        assert_eq!(since(&*storage, &with(&first, at, 0, nonce ^ 1)).await, everything(&first));
    }
    let ada = user(&*storage, "ada").await.id;
    let at = partition_of(&*storage, ada).await;
    let second = latest(&*storage).await;
    let nonce = second.partitions()[at].nonce;
    assert_eq!(second.changes(), 2);
    assert_eq!(since(&*storage, &with(&second, at, 3, nonce)).await, everything(&second));
    assert_eq!(since(&*storage, &with(&second, at, 1, nonce)).await, everything(&second));
    assert_eq!(
        since(&*storage, &first).await,
        Invalidations { latest: second, invalidations: vec![Invalidation::User(ada); 2] }
    );
}

async fn who_knows_a_change_from_before_a_backup_was_restored_is_told_of_everything(database: TestDatabase) {
    let storage = database.open();
    let mut intruder = Intruder::new(&database);
    let ada = user(&*storage, "ada").await.id;
    let at = partition_of(&*storage, ada).await;
    // Somebody whose changes are numbered with hers.
    let mut others = 0;
    let eve = loop {
        others += 1;
        let eve = user(&*storage, &format!("eve{others}")).await.id;
        if partition_of(&*storage, eve).await == at {
            break eve;
        }
    };
    verify(&*storage, ada, true).await;
    let kept = latest(&*storage).await;
    intruder.run("CREATE TABLE kept_counters AS SELECT * FROM change_counters");
    intruder.run("CREATE TABLE kept_log AS SELECT * FROM change_log");
    for verified in [false, true] {
        verify(&*storage, ada, verified).await;
    }
    let known = latest(&*storage).await;

    for (table, kept) in [("change_counters", "kept_counters"), ("change_log", "kept_log")] {
        intruder.run(&format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM {kept}"));
    }
    // A Postgres database that was restored is another one even where nothing has changed since the backup: sessions
    // may have been opened, which leaves no change.
    let again = latest(&*storage).await;
    match database.url().sqlite_path() {
        Some(_) => assert_eq!(since(&*storage, &kept).await, nothing(&kept)),
        None => assert_eq!(since(&*storage, &kept).await, everything(&again)),
    }
    // Each partition tells by itself, too.
    let [of_nobody, ..] = *again.partitions() else { panic!("there are no partitions") };
    let known = if at == 0 { known } else { with(&known, 0, of_nobody.number.0, of_nobody.nonce) };
    assert_eq!(since(&*storage, &known).await, everything(&again));
    // The number that was known is not there yet, is the latest, and is one of many.
    for (turn, verified) in [true, false, true, false].into_iter().enumerate() {
        verify(&*storage, eve, verified).await;
        let latest = latest(&*storage).await;
        assert_eq!(latest.changes(), again.changes() + 1 + turn as i64);
        assert_eq!(since(&*storage, &known).await, everything(&latest), "{turn}");
        let since_then = Invalidations { latest, invalidations: vec![Invalidation::User(eve); turn + 1] };
        assert_eq!(since(&*storage, &again).await, since_then);
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
        assert!(since(&*storage, &known).await.invalidations.len() == number && storage.ping().await.is_ok());
        assert_eq!(storage.commit_stamp(), *seen.last().unwrap(), "it was but read");
        by.account_set_verified(ada, number % 2 == 0, action(1).into()).await.unwrap().unwrap();
        let stamp = storage.commit_stamp();
        assert!(stamp.is_none() || !seen.contains(&stamp), "{number}");
        seen.push(stamp);
    }
    Intruder::new(&database).run("UPDATE users SET verified_at = 77");
    assert!(storage.commit_stamp().is_none_or(|stamp| !seen.contains(&Some(stamp))), "past the storage");
}

/// Whether it is told at once that nothing has changed.
fn is_latest(storage: &dyn Storage, known: &ChangeCursor) -> bool {
    storage.changes_at_once(known).is_some_and(|changes| changes == nothing(known))
}

/// SQLite can tell at once; a server across a network cannot.
async fn the_latest_change_alone_is_taken_for_it_on_the_spot(database: TestDatabase) {
    let (storage, elsewhere) = (database.open(), database.open());
    let at_once = !database.url_text().starts_with("postgres");
    let ada = user(&*storage, "ada").await.id;
    let mut known = latest(&*storage).await;
    for (verified, by) in [(true, &storage), (false, &elsewhere), (true, &elsewhere), (false, &storage)] {
        assert_eq!(is_latest(&*storage, &known), at_once);
        by.account_set_verified(ada, verified, action(1).into()).await.unwrap().unwrap();
        let changes = since(&*storage, &known).await;
        assert_eq!(changes.invalidations, [Invalidation::User(ada)], "a change elsewhere is seen as one here");
        assert_eq!(storage.changes_at_once(&known), at_once.then(|| changes.clone()));
        known = changes.latest;
    }
    let at = partition_of(&*storage, ada).await;
    let known = latest(&*storage).await;
    let PartitionCursor { number: ChangeNumber(number), nonce } = known.partitions()[at];
    assert_eq!(is_latest(&*storage, &known), at_once);
    assert!(!is_latest(&*storage, &with(&known, at, number, nonce ^ 1)), "another history");
    for other in [number - 1, number + 1] {
        assert!(!is_latest(&*storage, &with(&known, at, other, nonce)));
    }
    assert!(!is_latest(&*storage, &ChangeCursor::default()));
}
