//! A database of its own for each test, on either engine: tests share nothing, so none waits for another. And a
//! security key in software, and a session to be checked.
//!
//! All are copies of a migrated template. Postgres databases are on the server that `THUNDERHEAD_TEST_POSTGRES` names;
//! `cargo xtask test` starts one, or else leaves out the tests with `postgres` in their names. Both kinds of databases
//! vanish when their [`TestDatabase`] is dropped.
#![expect(clippy::expect_used, clippy::panic, reason = "for tests only: where the set-up fails, the test has failed")]

pub mod authenticator;
pub mod sample;

mod postgres;

use std::fs;
#[cfg(unix)]
use std::fs::Permissions;
use std::future::Future;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;
use thunderhead_domain::policy::SessionPolicy;
use thunderhead_domain::ports::Storage;
use thunderhead_storage::{DatabaseUrl, StorageSettings, connect, migrate};

use crate::postgres::PostgresDatabase;

/// How long a test waits for its database. Machines that run tests are busy: far longer than in production, so
/// that a slow one fails no test.
const DEADLINE: Duration = Duration::from_secs(30);
/// Enough for tests of what happens at once, and few enough for many tests at once.
const CONNECTIONS: u32 = 4;

const SQLITE_FILE: &str = "thunderhead.db";

/// An empty, migrated database that is one test's alone.
pub struct TestDatabase {
    url: DatabaseUrl,
    url_text: String,
    _guard: Guard,
}

/// What removes the database.
#[expect(dead_code, reason = "held for what dropping it does")]
enum Guard {
    Sqlite(TempDir),
    Postgres(PostgresDatabase),
}

impl TestDatabase {
    /// An SQLite file in a temporary folder: a copy of one that was migrated.
    pub fn sqlite() -> Self {
        static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
        let template = TEMPLATE.get_or_init(sqlite_template);
        let folder = temporary_folder();
        let file = folder.path().join(SQLITE_FILE);
        fs::write(&file, template).expect("a copy of the template");
        // As the server makes it.
        #[cfg(unix)]
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("a file of one's own");
        let url_text = url_of_file(&file);
        let url = url_text.parse().expect("the URL of a file");
        Self { url, url_text, _guard: Guard::Sqlite(folder) }
    }

    /// A Postgres database, copied from the template. Panics with a hint where no server is named.
    pub fn postgres() -> Self {
        let database = PostgresDatabase::from_template();
        let url_text = database.url();
        let url = url_text.parse().expect("the URL of a Postgres database");
        Self { url, url_text, _guard: Guard::Postgres(database) }
    }

    /// Where it is.
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Where it is, as the configuration takes it, password included.
    pub fn url_text(&self) -> &str {
        &self.url_text
    }

    /// Settings that suit tests, to be changed or used for [`connect`].
    pub fn settings(&self) -> StorageSettings {
        StorageSettings { deadline: DEADLINE, connections: CONNECTIONS, ..StorageSettings::new(self.url.clone()) }
    }

    /// Changes it behind the back of whoever has opened it, in SQL.
    pub fn tamper(&self, statements: &str) {
        let done = match self.url.sqlite_path() {
            Some(path) => SqliteConnection::establish(path.to_str().expect("a path that is text"))
                .expect("a connection")
                .batch_execute(statements),
            None => PgConnection::establish(&self.url_text).expect("a connection").batch_execute(statements),
        };
        done.expect(statements);
    }

    /// Opens it. Each call makes a handle with connections of its own, as another replica would.
    pub fn open(&self) -> Arc<dyn Storage> {
        self.open_under(SessionPolicy::default())
    }

    /// The same where a policy holds.
    pub fn open_under(&self, session_policy: SessionPolicy) -> Arc<dyn Storage> {
        connect(&StorageSettings { session_policy, ..self.settings() }).expect("threads for the database")
    }
}

fn temporary_folder() -> TempDir {
    tempfile::Builder::new().prefix("thunderhead-test-").tempdir().expect("a temporary folder")
}

fn url_of_file(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

/// What a migrated file holds. Nothing of it is left in a write-ahead log: the last connection was closed.
fn sqlite_template() -> Vec<u8> {
    let folder = temporary_folder();
    let file = folder.path().join(SQLITE_FILE);
    let url: DatabaseUrl = url_of_file(&file).parse().expect("the URL of a file");
    migrate(&url).expect("migrations of an empty file");
    assert!(!folder.path().join(format!("{SQLITE_FILE}-wal")).exists(), "the template is still open");
    fs::read(file).expect("the template")
}

/// Runs a future to its end, on a runtime of its own that has timers.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("an async runtime").block_on(future)
}

/// Turns scenarios, functions that take a [`TestDatabase`], into two tests each: `name::sqlite` and
/// `name::postgres`. `on_both_engines!(async: …)` takes async functions.
///
/// ```
/// use thunderhead_testkit::{TestDatabase, on_both_engines};
///
/// on_both_engines!(an_empty_database_has_no_users);
///
/// fn an_empty_database_has_no_users(database: TestDatabase) {}
/// ```
#[macro_export]
macro_rules! on_both_engines {
    (async: $($name:ident),+ $(,)?) => {
        $(
            mod $name {
                #[test]
                fn sqlite() {
                    $crate::block_on(super::$name($crate::TestDatabase::sqlite()));
                }

                #[test]
                fn postgres() {
                    $crate::block_on(super::$name($crate::TestDatabase::postgres()));
                }
            }
        )+
    };
    ($($name:ident),+ $(,)?) => {
        $(
            mod $name {
                #[test]
                fn sqlite() {
                    super::$name($crate::TestDatabase::sqlite());
                }

                #[test]
                fn postgres() {
                    super::$name($crate::TestDatabase::postgres());
                }
            }
        )+
    };
}
