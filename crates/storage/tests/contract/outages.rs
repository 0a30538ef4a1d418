//! What callers are told when the database is slow, away or spoilt.

use std::net::TcpListener;
use std::time::Duration;

use thunderhead_domain::id::SessionId;
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::session::SessionKey;
use thunderhead_storage::{ConnectError, DatabaseUrl, StorageSettings, connect};
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::support::{Intruder, WHY, action, at, live, open, session, user, uuid};

on_both_engines!(async:
    an_open_storage_answers_a_ping,
    whoever_waits_for_a_lock_is_told_of_an_outage_at_the_deadline,
    a_row_that_cannot_be_read_is_an_error_and_never_a_default,
    a_missing_table_is_an_error_and_not_an_absence,
);

async fn an_open_storage_answers_a_ping(database: TestDatabase) {
    database.open().ping().await.unwrap();
}

async fn whoever_waits_for_a_lock_is_told_of_an_outage_at_the_deadline(database: TestDatabase) {
    let patient = database.open();
    let ada = user(&*patient, "ada").await.id;
    open(&*patient, ada, session(1)).await;
    let hasty = connect(&StorageSettings { deadline: Duration::from_millis(200), ..database.settings() }).unwrap();
    let mut intruder = Intruder::new(&database);
    intruder.lock(ada);
    for _ in 0..3 {
        let outcome = hasty.session_end_all(ada, WHY, action(1)).await;
        assert!(matches!(outcome, Err(StorageError::Outage(_))), "{outcome:?}");
    }
    assert_eq!(live(&*patient, ada).await, [1], "readers do not wait");
    intruder.run("ROLLBACK");
    patient.session_end_all(ada, WHY, action(2)).await.unwrap();
    assert!(live(&*patient, ada).await.is_empty());
}

async fn a_row_that_cannot_be_read_is_an_error_and_never_a_default(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, session(1)).await;
    let mut intruder = Intruder::new(&database);
    for (spoil, mend) in [
        ("sessions SET dialect = 'gopher'", "sessions SET dialect = 'current'"),
        ("sessions SET permission_flags = -1", "sessions SET permission_flags = NULL"),
        ("sessions SET authentications = 'magic@1'", "sessions SET authentications = ''"),
        ("sessions SET client_ip = 'nowhere'", "sessions SET client_ip = NULL"),
    ] {
        intruder.run(&format!("UPDATE {spoil}"));
        let outcome = storage.session_authority(Some(SessionKey::Uuid(uuid(1), ada))).await;
        assert!(matches!(outcome, Err(StorageError::Unreadable(_))), "{spoil}: {outcome:?}");
        intruder.run(&format!("UPDATE {mend}"));
    }
    // One that is over has nothing left to be read for.
    intruder.run("UPDATE sessions SET ended_at = 1, ended_by = 'x', end_reason = 'revoked'");
    let authority = storage.session_authority(Some(SessionKey::Uuid(uuid(1), ada))).await.unwrap();
    assert_eq!(authority.authenticated, None);
}

async fn a_missing_table_is_an_error_and_not_an_absence(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    Intruder::new(&database).run("DROP TABLE sessions");
    assert!(storage.session_find(ada, SessionId::at(at(0)), at(0)).await.is_err());
    assert!(storage.session_authority(Some(SessionKey::Uuid(uuid(1), ada))).await.is_err());
    assert!(storage.session_end_all(ada, WHY, action(1)).await.is_err());
}

#[test]
fn a_server_that_never_answers_costs_the_deadline_and_no_more() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://ada:secret@{}/db", silent.local_addr().unwrap());
    expect_outage(&url);
}

#[test]
fn a_server_that_is_not_there_is_an_outage() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    expect_outage(&format!("postgres://ada:secret@{gone}/db"));
}

fn expect_outage(url: &str) {
    let url: DatabaseUrl = url.parse().unwrap();
    let deadline = Duration::from_millis(200);
    let storage = connect(&StorageSettings { deadline, connections: 2, ..StorageSettings::new(url) }).unwrap();
    block_on(async {
        for _ in 0..3 {
            let Err(StorageError::Outage(source)) = storage.ping().await else { panic!("nobody can have answered") };
            assert!(!format!("{source:?}").contains("secret"));
        }
    });
}

/// Ends all other connections to the database, and returns when they have ended.
const CUT: &str = "DO $$ BEGIN LOOP
    PERFORM pg_stat_clear_snapshot();
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    EXIT WHEN NOT FOUND;
END LOOP; END $$";

#[test]
fn connections_to_postgres_that_were_cut_are_replaced_without_anybody_noticing() {
    let database = TestDatabase::postgres();
    let storage = database.open();
    block_on(async {
        let ada = user(&*storage, "ada").await.id;
        for number in 0..5 {
            // As many reads at once as there are connections, so that there is more than one to cut.
            let reads = (0..8).map(|_| {
                let storage = storage.clone();
                async move { storage.switches().await.map(drop) }
            });
            crate::support::at_once(reads).await.into_iter().collect::<Result<(), _>>().unwrap();
            Intruder::new(&database).run(CUT);
            open(&*storage, ada, session(number)).await;
            assert_eq!(live(&*storage, ada).await.len() as u128, number + 1);
        }
    });
}

#[test]
fn a_storage_without_connections_or_time_is_refused() {
    let database = TestDatabase::sqlite();
    for settings in [
        StorageSettings { connections: 0, ..database.settings() },
        StorageSettings { deadline: Duration::ZERO, ..database.settings() },
    ] {
        assert!(matches!(connect(&settings), Err(ConnectError::Nothing)));
    }
}
