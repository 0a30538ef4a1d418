//! Migrations, and the check that they have been run.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use thunderhead_storage::{
    ConnectError, DatabaseUrl, FileError, MigrateError, RowCounts, Snapshot, SnapshotError, StorageSettings,
    check_schema, check_writable, connect, migrate, revert,
};
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::support::{Intruder, user};

on_both_engines!(
    migrations_that_were_run_are_not_run_again,
    migrations_go_down_and_up_again,
    processes_that_migrate_at_once_do_it_once,
    a_schema_of_a_later_version_is_refused,
);

/// The folder of an engine's migrations.
fn folder(engine: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(engine)
}

/// That of the engine that a database is on.
pub(crate) fn migrations_of(database: &TestDatabase) -> PathBuf {
    folder(if database.url().sqlite_path().is_some() { "sqlite" } else { "postgres" })
}

/// The names of an engine's migrations, in the order in which they are run.
pub(crate) fn names(engine: &str) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(folder(engine)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// How many migrations there are.
fn all() -> usize {
    names("sqlite").len()
}

fn migrations_that_were_run_are_not_run_again(database: TestDatabase) {
    check_schema(database.url()).unwrap();
    assert!(migrate(database.url()).unwrap().is_empty());
    check_schema(database.url()).unwrap();
}

fn migrations_go_down_and_up_again(database: TestDatabase) {
    block_on(user(&*database.open(), "ada"));
    let reverted = revert(database.url()).unwrap();
    let error = check_schema(database.url()).unwrap_err();
    let MigrateError::Older(missing) = &error else { panic!("{error}") };
    assert_eq!((reverted.len(), missing.len()), (all(), all()));
    assert_eq!(&migrate(database.url()).unwrap(), missing);
    check_schema(database.url()).unwrap();
    block_on(user(&*database.open(), "ada"));
}

fn processes_that_migrate_at_once_do_it_once(database: TestDatabase) {
    revert(database.url()).unwrap();
    assert_eq!(migrations_run_at_once(database.url()), all());
}

fn migrations_run_at_once(url: &DatabaseUrl) -> usize {
    let run = || migrate(url).unwrap().len();
    thread::scope(|scope| {
        let threads = [(); 8].map(|()| scope.spawn(run));
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    })
}

fn a_schema_of_a_later_version_is_refused(database: TestDatabase) {
    Intruder::new(&database).run("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000001')");
    for error in [check_schema(database.url()).unwrap_err(), migrate(database.url()).unwrap_err()] {
        assert_eq!(
            error.to_string(),
            "the database schema is newer than this program, which does not know 99991231000001"
        );
    }
}

/// Takes back the latest migration.
fn revert_the_latest(database: &TestDatabase) {
    let migrations = FileBasedMigrations::from_path(migrations_of(database)).unwrap();
    let reverted = match Intruder::new(database) {
        Intruder::Sqlite(mut connection) => connection.revert_last_migration(migrations).unwrap().to_string(),
        Intruder::Postgres(mut connection) => connection.revert_last_migration(migrations).unwrap().to_string(),
    };
    let latest = names("sqlite").pop().unwrap().into_string().unwrap().replace('-', "");
    assert!(latest.starts_with(&reverted), "{latest} {reverted}");
}

#[test]
fn processes_that_start_at_once_on_a_new_file_share_it() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let url = DatabaseUrl::sqlite(folder.path().join(format!("{round}.db")));
        assert_eq!(migrations_run_at_once(&url), all());
    }
}

#[test]
fn a_new_database_file_and_those_beside_it_are_for_their_owner_alone() {
    let database = TestDatabase::sqlite();
    let storage = database.open();
    block_on(user(&*storage, "ada"));
    let path = database.url().sqlite_path().unwrap();
    let files: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 3, "the file, its -wal and its -shm: {files:?}");
    for file in files {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn a_file_that_was_restored_without_its_journal_mode_gets_it_back() {
    let database = TestDatabase::sqlite();
    Intruder::new(&database).run("PRAGMA journal_mode = DELETE");
    let storage = database.open();
    block_on(user(&*storage, "ada"));
    let journal = database.url().sqlite_path().unwrap().with_extension("db-wal");
    assert!(journal.exists());
}

#[test]
fn a_missing_file_is_made_by_migrations_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file:with odd#name%20.db");
    let url = DatabaseUrl::sqlite(&path);
    let missing = |outcome| matches!(outcome, Err(MigrateError::File(FileError::Missing(_))));
    assert!(missing(check_schema(&url)) && missing(check_writable(&url)) && missing(revert(&url).map(drop)));
    assert!(matches!(connect(&StorageSettings::new(url.clone())), Err(ConnectError::NoFile(_))));
    assert!(!path.exists());
    assert_eq!(migrate(&url).unwrap().len(), all());
    assert!(path.exists());
    let elsewhere = DatabaseUrl::sqlite(folder.path().join("no folder/x.db"));
    let unmade = migrate(&elsewhere).unwrap_err();
    assert!(matches!(&unmade, MigrateError::File(FileError::Refused { .. })), "{unmade}");
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let database = TestDatabase::sqlite();
    let path = database.url().sqlite_path().unwrap();
    for (statements, told) in [
        (
            "DELETE FROM __diesel_schema_migrations; INSERT INTO __diesel_schema_migrations (version) VALUES ('1')",
            "none",
        ),
        ("DROP TABLE __diesel_schema_migrations", "none"),
    ] {
        Intruder::new(&database).run(statements);
        for error in [check_schema(database.url()).unwrap_err(), migrate(database.url()).unwrap_err()] {
            assert!(matches!(&error, MigrateError::File(FileError::Foreign(_))), "{error}");
            let text = error.to_string();
            assert!(text.contains(path.to_str().unwrap()) && text.contains(told), "{text}");
        }
    }
}

#[test]
fn a_file_that_sqlite_cannot_use_is_named_with_sqlites_words() {
    let database = TestDatabase::sqlite();
    check_writable(database.url()).unwrap();
    let path = database.url().sqlite_path().unwrap();
    let words = |error: MigrateError| {
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {source}")
    };
    // The log cannot be made where a folder has its name: what root meets too.
    let log = path.with_extension("db-wal");
    fs::create_dir(&log).unwrap();
    let told = words(check_writable(database.url()).unwrap_err());
    assert!(told.contains(path.to_str().unwrap()) && told.contains("unable to open database file"), "{told}");
    fs::remove_dir(&log).unwrap();
    let whole = fs::read(path).unwrap();
    fs::write(path, &whole[..whole.len() / 2]).unwrap();
    let told = words(check_schema(database.url()).unwrap_err());
    assert!(told.contains("is damaged") && told.contains("malformed"), "{told}");
    let mut garbled = whole.clone();
    garbled[20..].fill(7);
    fs::write(path, garbled).unwrap();
    let told = words(check_schema(database.url()).unwrap_err());
    assert!(told.contains(&format!("{} is not an SQLite database", path.display())), "{told}");
}

#[test]
fn a_file_of_an_older_schema_is_told_from_one_of_a_newer() {
    let database = TestDatabase::sqlite();
    let snapshot = || Snapshot::of_database(database.url().sqlite_path().unwrap()).unwrap();
    let mut intruder = Intruder::new(&database);
    intruder.run("ALTER TABLE __diesel_schema_migrations RENAME TO history");
    intruder.run(
        "CREATE TABLE __diesel_schema_migrations AS SELECT * FROM history LIMIT (SELECT count(*) - 1 FROM history)",
    );
    assert_eq!(snapshot().missing_migrations().unwrap().len(), 1);
    assert_eq!(snapshot().counts().unwrap(), RowCounts { users: 0, sessions: 0 });
    intruder.run("DROP TABLE __diesel_schema_migrations; ALTER TABLE history RENAME TO __diesel_schema_migrations");
    revert_the_latest(&database);
    assert_eq!(snapshot().missing_migrations().unwrap().len(), 1);
    assert_eq!(migrate(database.url()).unwrap().len(), 1);
    assert!(snapshot().missing_migrations().unwrap().is_empty());
    intruder.run("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000001')");
    let newer = snapshot().missing_migrations().unwrap_err();
    assert!(matches!(&newer, SnapshotError::Schema(MigrateError::Newer(_))), "{newer}");
}

#[test]
fn both_engines_have_migrations_of_the_same_names() {
    assert_eq!(names("postgres"), names("sqlite"));
}
