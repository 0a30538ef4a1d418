//! Overhears what the storage runs on its connections, and asks the databases how they find what that asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex, Once};

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use diesel::prelude::*;
use diesel::sql_types::Text;
use thunderhead_testkit::TestDatabase;

use crate::support::Intruder;

/// What was run on each database that is listened to, by its URL.
static OVERHEARD: LazyLock<Mutex<BTreeMap<String, Overheard>>> = LazyLock::new(Mutex::default);

/// What was run on a database.
#[derive(Default)]
struct Overheard {
    statements: Vec<String>,
    /// The texts that were prepared to be kept, whenever that was.
    kept: BTreeSet<String>,
}

/// How statements begin that are overheard: those that read, and those that open and end sessions.
const HEARD: [&str; 8] = [
    "SELECT `",
    "SELECT \"",
    "SELECT counter.",
    "SELECT uuid FROM (",
    "WITH chosen AS ",
    "WITH owner AS ",
    "UPDATE `sessions`",
    "WITH few AS MATERIALIZED (SELECT number",
];
/// How the storage has Postgres plan each statement once, on each of its connections.
pub(crate) const PLANNED_ONCE: &str = "SET plan_cache_mode = force_generic_plan";

/// One connection's ear.
struct Ear {
    url: Option<String>,
}

impl Instrumentation for Ear {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => {
                let overheard = OVERHEARD.lock().unwrap();
                self.url = overheard.keys().find(|listened| url.contains(*listened)).cloned();
            }
            InstrumentationEvent::StartQuery { query, .. } => {
                let Some(url) = &self.url else { return };
                let text = query.to_string();
                let statement = text.split(" -- binds:").next().unwrap_or_default().to_owned();
                OVERHEARD.lock().unwrap().entry(url.clone()).or_default().statements.push(statement);
            }
            InstrumentationEvent::CacheQuery { sql, .. } => {
                let Some(url) = &self.url else { return };
                OVERHEARD.lock().unwrap().entry(url.clone()).or_default().kept.insert(sql.to_owned());
            }
            _ => {}
        }
    }
}

/// A database that is listened to.
pub(crate) struct Listener<'a> {
    database: &'a TestDatabase,
    pub(crate) intruder: Intruder,
    key: String,
}

#[derive(QueryableByName)]
struct PlanLine {
    #[diesel(sql_type = Text)]
    detail: String,
}

impl<'a> Listener<'a> {
    /// Listens to those who open the database from now on.
    pub(crate) fn new(database: &'a TestDatabase) -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| set_default_instrumentation(|| Some(Box::new(Ear { url: None }))).unwrap());
        let path = database.url().sqlite_path().map(|path| path.display().to_string());
        let key = path.unwrap_or_else(|| database.url_text().to_owned());
        OVERHEARD.lock().unwrap().insert(key.clone(), Overheard::default());
        Self { database, intruder: Intruder::new(database), key }
    }

    /// Fills the tables that are searched.
    pub(crate) fn fill(&mut self) {
        let postgres = self.database.url().sqlite_path().is_none();
        let uuid = if postgres { "decode(lpad(to_hex(n), 32, '0'), 'hex')" } else { "unhex(printf('%032x', n))" };
        let address = "'10.0.' || n % 50 || '.' || n % 7";
        let users =
            "users (id, uuid, username, username_key, email, email_key, password_hash, credential_version, staff,
            created_at, updated_at)";
        let row = format!("n, {uuid}, 'u' || n, 'u' || n, 'u' || n, 'u' || n, '', 1, FALSE, n, n");
        self.intruder.add(20_000, users, &row);
        let sessions = "sessions (uuid, user_id, id, name, expires_at, created_at, updated_at, dialect, client_ip,
            authentications, second_factor_pending)";
        let row = format!("{uuid}, 1 + n % 20000, n, 'x', n, n, n, 'current', {address}, '', FALSE");
        self.intruder.add(50_000, sessions, &row);
        let audit = "audit (at, actor, client_ip, kind, user_id)";
        let row = format!("n, 'user:' || n % 1000, {address}, 'kind ' || n % 40, 1 + n % 20000");
        self.intruder.add(50_000, audit, &row);
        // Nobody has SQLite do this: it plans by what indexes are like in general.
        if postgres {
            self.intruder.run("ANALYZE");
        }
    }

    /// All that was overheard since the last call.
    pub(crate) fn all(&self) -> Vec<String> {
        std::mem::take(&mut OVERHEARD.lock().unwrap().get_mut(&self.key).unwrap().statements)
    }

    /// What was overheard since the last call and has a plan to look at.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.all().into_iter().filter(|statement| HEARD.iter().any(|begin| statement.starts_with(begin))).collect()
    }

    /// Whether a statement was prepared to be kept.
    pub(crate) fn is_kept(&self, statement: &str) -> bool {
        OVERHEARD.lock().unwrap()[&self.key].kept.contains(statement)
    }

    /// How the database finds what each statement asks for that was overheard, whatever it asks for in particular.
    pub(crate) fn plans(&mut self) -> Vec<String> {
        let heard = self.heard();
        heard.iter().map(|statement| self.plan(statement)).collect()
    }

    pub(crate) fn plan(&mut self, statement: &str) -> String {
        match &mut self.intruder {
            Intruder::Sqlite(connection) => {
                let lines: Vec<PlanLine> =
                    diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(connection).unwrap();
                lines.into_iter().map(|line| line.detail).collect::<Vec<_>>().join("\n")
            }
            Intruder::Postgres(connection) => {
                let parameters = (1..).take_while(|number| statement.contains(&format!("${number}"))).count();
                let nulls = vec!["NULL"; parameters].join(", ");
                let arguments = if parameters == 0 { String::new() } else { format!("({nulls})") };
                diesel::sql_query(PLANNED_ONCE).execute(connection).unwrap();
                diesel::sql_query(format!("PREPARE heard AS {statement}")).execute(connection).unwrap();
                let explained = format!(
                    "CREATE OR REPLACE FUNCTION pg_temp.explained() RETURNS SETOF TEXT LANGUAGE plpgsql AS \
                     $do$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN EXECUTE heard{arguments}'; END $do$"
                );
                diesel::sql_query(explained).execute(connection).unwrap();
                let lines: Vec<PlanLine> =
                    diesel::sql_query("SELECT * FROM pg_temp.explained() AS line (detail)").load(connection).unwrap();
                diesel::sql_query("DEALLOCATE heard").execute(connection).unwrap();
                lines.into_iter().map(|line| line.detail).collect::<Vec<_>>().join("\n")
            }
        }
    }

    /// Makes sure that what was just asked for was found by this index, and nothing was read whole or sorted.
    pub(crate) fn found_by(&mut self, index: &str, what: &str) {
        let plans = self.plans();
        assert!(!plans.is_empty(), "{what}: nothing was overheard");
        let by_index = |plan: &String| plan.contains(&format!(" {index} ")) || plan.contains(&format!(" {index}\n"));
        assert!(plans.iter().any(|plan| by_index(&format!("{plan}\n"))), "{what} not by {index}:\n{plans:#?}");
        Self::all_by_index(&plans, what);
    }

    pub(crate) fn all_by_index(plans: &[String], what: &str) {
        for plan in plans {
            let whole = |line: &&str| {
                let line = line.trim_start_matches([' ', '-', '>']);
                let scans = ["Seq Scan on ", "Bitmap Heap Scan on "];
                let table = scans.iter().find_map(|scan| line.strip_prefix(scan)?.split(' ').next());
                table.is_some_and(|table| ["users", "sessions", "audit"].contains(&table))
                    || line.contains("Sort  (")
                    // There are nine switches at most.
                    || (line.starts_with("SCAN ")
                        // What is counted was found before.
                        && ![" USING ", "CONSTANT ROW", "kill_switches", "SCAN counted", "SCAN of_kind"].iter().any(|fine| line.contains(fine)))
                    || line.starts_with("USE TEMP B-TREE")
            };
            assert_eq!(plan.lines().find(whole), None, "{what}:\n{plan}");
        }
    }
}
