//! Postgres databases for tests: a template that is migrated once, and copies of it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use thunderhead_storage::migrate;

/// Names the server: a `postgres://` URL of a database in which other databases can be made.
const SERVER: &str = "THUNDERHEAD_TEST_POSTGRES";
/// Lets one process at a time make the template.
const TEMPLATE_LOCK: i64 = 0x7468_6e64_7465_7374;
/// From this version on, the way of copying can be chosen.
const STRATEGY_SINCE: i32 = 150_000;

/// Connections to the server that nobody uses at the moment.
static IDLE: Mutex<Vec<PgConnection>> = Mutex::new(Vec::new());

/// A database that is dropped with this value, even where a server under test still holds connections to it.
pub(crate) struct PostgresDatabase {
    name: String,
}

/// What all databases of this process are copied from.
struct Template {
    name: String,
    /// The end of the statement that copies it: copying files is the faster way, where there is a choice.
    strategy: &'static str,
}

impl PostgresDatabase {
    /// An empty database with the schema in place.
    pub(crate) fn from_template() -> Self {
        static TEMPLATE: OnceLock<Template> = OnceLock::new();
        let template = TEMPLATE.get_or_init(make_template);
        let database = Self { name: fresh_name() };
        let statement = format!("CREATE DATABASE {} TEMPLATE {}{}", database.name, template.name, template.strategy);
        let mut connection = server();
        run(&mut connection, &statement);
        keep(connection);
        database
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        url_of(&self.name)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let dropped = try_server().map(|mut connection| {
            let dropped =
                diesel::sql_query(format!("DROP DATABASE {} WITH (FORCE)", self.name)).execute(&mut connection);
            if dropped.is_ok() {
                keep(connection);
            }
            dropped
        });
        // A test that has failed already says why; a database left behind is no reason for another to fail.
        if let Ok(Err(_)) | Err(_) = &dropped {
            eprintln!("the test database {} could not be dropped: {dropped:?}", self.name);
        }
    }
}

/// Makes the template unless another process has. It gets its name when it is complete, and the name changes with
/// the migrations.
fn make_template() -> Template {
    let mut connection = server();
    diesel::sql_query("SELECT pg_advisory_lock($1)")
        .bind::<BigInt, _>(TEMPLATE_LOCK)
        .execute(&mut connection)
        .expect("a lock for the template");
    let name = format!("thunderhead_template_{:016x}", migrations_hash());
    let exists =
        diesel::dsl::sql::<Bool>("EXISTS (SELECT 1 FROM pg_database WHERE datname = ").bind::<Text, _>(&name).sql(")");
    if !diesel::select(exists).get_result::<bool>(&mut connection).expect("a list of databases") {
        let unfinished = fresh_name();
        run(&mut connection, &format!("CREATE DATABASE {unfinished}"));
        let url = url_of(&unfinished).parse().expect("the URL of a Postgres database");
        migrate(&url).expect("migrations of an empty database");
        run(&mut connection, &format!("ALTER DATABASE {unfinished} RENAME TO {name}"));
    }
    let version = diesel::dsl::sql::<Integer>("current_setting('server_version_num')::int");
    let version: i32 = diesel::select(version).get_result(&mut connection).expect("the server's version");
    Template { name, strategy: if version < STRATEGY_SINCE { "" } else { " STRATEGY file_copy" } }
}

fn run(connection: &mut PgConnection, statement: &str) {
    diesel::sql_query(statement).execute(connection).expect(statement);
}

fn server() -> PgConnection {
    try_server().expect("a connection to the Postgres server for tests")
}

/// One that another test has no use for any more, or a new one.
fn try_server() -> ConnectionResult<PgConnection> {
    let kept = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    kept.map_or_else(|| PgConnection::establish(&server_url()), Ok)
}

/// Keeps a connection for the next test: to open one costs Postgres about half as much as to copy the template.
fn keep(connection: PgConnection) {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
}

fn server_url() -> String {
    env::var(SERVER).unwrap_or_else(|_| {
        panic!("{SERVER} names no Postgres server: run the tests with `cargo xtask test`, which starts one")
    })
}

/// The server's URL with another database.
fn url_of(database: &str) -> String {
    let server = server_url();
    let (base, parameters) = match server.split_once('?') {
        Some((base, parameters)) => (base, format!("?{parameters}")),
        None => (server.as_str(), String::new()),
    };
    let (scheme, place) = base.split_once("://").expect("a postgres:// URL of the server for tests");
    let authority = place.split_once('/').map_or(place, |(authority, _)| authority);
    format!("{scheme}://{authority}/{database}{parameters}")
}

/// A name that no other test, process or run has used.
fn fresh_name() -> String {
    format!("thunderhead_test_{}_{:016x}", std::process::id(), RandomState::new().hash_one(()))
}

/// Stands for the text of all migrations.
fn migrations_hash() -> u64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/postgres");
    let mut texts = BTreeMap::new();
    for migration in fs::read_dir(&folder).expect("the folder of migrations") {
        let migration = migration.expect("a migration");
        let text = fs::read_to_string(migration.path().join("up.sql")).expect("the text of a migration");
        texts.insert(migration.file_name(), text);
    }
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    hasher.finish()
}
