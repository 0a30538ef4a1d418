//! Replicas of two versions run beside each other: what a migration brings, the version before it can leave alone, unless
//! the migration says that it contracts, and `docs/UPGRADING.md` that those replicas must have been stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use thunderhead_storage::revert;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::first_release::rows;
use crate::schema::{migrations_of, names};
use crate::support::Intruder;

on_both_engines!(migrations_only_add_unless_they_say_that_they_contract);

/// How the first line of a migration begins that takes away what the version before uses.
const CONTRACTS: &str = "-- Contracts: ";

const COLUMNS: [&str; 2] = [
    "SELECT m.name AS of_table, c.name AS name, c.type AS kind, c.\"notnull\" AS required, \
        (c.dflt_value IS NOT NULL OR c.hidden IN (2, 3) OR c.pk > 0) AS filled \
     FROM sqlite_master m, pragma_table_xinfo(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
    "SELECT table_name::text AS of_table, column_name::text AS name, data_type::text AS kind, \
        is_nullable = 'NO' AS required, \
        (column_default IS NOT NULL OR is_generated = 'ALWAYS' OR is_identity = 'YES') AS filled \
     FROM information_schema.columns WHERE table_schema = 'public'",
];

/// What is demanded of rows, with the columns that it concerns, each behind a space. SQLite does not tell its checks, which
/// are those of Postgres.
const DEMANDS: [&str; 2] = [
    "SELECT m.name AS of_table, coalesce(s.sql, i.name) AS demand, \
        (SELECT coalesce(group_concat(' ' || c.name, ''), '') FROM pragma_index_info(i.name) c) AS columns \
     FROM sqlite_master m, pragma_index_list(m.name) i LEFT JOIN sqlite_master s ON s.name = i.name \
     WHERE m.type = 'table' AND i.\"unique\"",
    "SELECT c.conrelid::regclass::text AS of_table, pg_get_constraintdef(c.oid) AS demand, \
        (SELECT coalesce(string_agg(' ' || a.attname, ''), '') FROM pg_attribute a \
            WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)) AS columns \
     FROM pg_constraint c WHERE c.connamespace = 'public'::regnamespace AND c.contype <> 'n' \
     UNION ALL \
     SELECT i.indrelid::regclass::text, pg_get_indexdef(i.indexrelid), \
        (SELECT coalesce(string_agg(' ' || a.attname, ''), '') FROM pg_attribute a \
            WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)) \
     FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid \
     WHERE i.indisunique AND t.relnamespace = 'public'::regnamespace",
];

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Text)]
    of_table: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    required: bool,
    #[diesel(sql_type = Bool)]
    filled: bool,
}

#[derive(QueryableByName)]
struct DemandRow {
    #[diesel(sql_type = Text)]
    of_table: String,
    #[diesel(sql_type = Text)]
    demand: String,
    #[diesel(sql_type = Text)]
    columns: String,
}

struct Column {
    kind: String,
    required: bool,
    /// Whether a row that does not say what it is has one all the same.
    filled: bool,
}

/// Tables with their columns, and what is demanded of each table: the words, and the columns.
#[derive(Default)]
struct Shape {
    tables: BTreeMap<String, BTreeMap<String, Column>>,
    demands: BTreeMap<(String, String), BTreeSet<String>>,
}

fn migrations_only_add_unless_they_say_that_they_contract(database: TestDatabase) {
    revert(database.url()).unwrap();
    let mut intruder = Intruder::new(&database);
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/UPGRADING.md")).unwrap();
    for (number, name) in names("sqlite").into_iter().enumerate() {
        let before = Shape::of(&mut intruder);
        let version = run_next_migration(&database, &mut intruder);
        if number == 0 {
            intruder.run(&rows(&database));
            continue;
        }
        let name = name.into_string().unwrap();
        assert!(name.replace('-', "").starts_with(&version), "{name} {version}");
        let taken = before.taken_by(&Shape::of(&mut intruder));
        let text = fs::read_to_string(migrations_of(&database).join(&name).join("up.sql")).unwrap();
        if text.starts_with(CONTRACTS) {
            assert!(!taken.is_empty(), "{name} says that it contracts, and does not");
            assert!(page.contains(&format!("`{name}`")), "docs/UPGRADING.md does not say what {name} wants");
        } else {
            assert!(taken.is_empty(), "{name}: {taken:#?}: add and do not take away, or begin with {CONTRACTS:?}");
        }
    }
}

/// Runs one as an earlier version did, whatever has been added since; returns its version.
pub(crate) fn run_next_migration(database: &TestDatabase, intruder: &mut Intruder) -> String {
    let migrations = FileBasedMigrations::from_path(migrations_of(database)).unwrap();
    match intruder {
        Intruder::Sqlite(connection) => connection.run_next_migration(migrations).unwrap().to_string(),
        Intruder::Postgres(connection) => connection.run_next_migration(migrations).unwrap().to_string(),
    }
}

impl Shape {
    fn of(intruder: &mut Intruder) -> Self {
        let (columns, demands): (Vec<ColumnRow>, Vec<DemandRow>) = match intruder {
            Intruder::Sqlite(connection) => (
                diesel::sql_query(COLUMNS[0]).load(connection).unwrap(),
                diesel::sql_query(DEMANDS[0]).load(connection).unwrap(),
            ),
            Intruder::Postgres(connection) => (
                diesel::sql_query(COLUMNS[1]).load(connection).unwrap(),
                diesel::sql_query(DEMANDS[1]).load(connection).unwrap(),
            ),
        };
        let mut shape = Self::default();
        for ColumnRow { of_table, name, kind, required, filled } in columns {
            shape.tables.entry(of_table).or_default().insert(name, Column { kind, required, filled });
        }
        for DemandRow { of_table, demand, columns } in demands {
            let columns = columns.split_whitespace().map(str::to_owned).collect();
            shape.demands.insert((of_table, demand), columns);
        }
        shape
    }

    /// What those who know this shape miss in another one, or stumble over.
    fn taken_by(&self, after: &Self) -> Vec<String> {
        let mut taken = vec![];
        for (table, columns) in &self.tables {
            let Some(now) = after.tables.get(table) else {
                taken.push(format!("the table {table} is gone"));
                continue;
            };
            for (name, column) in columns {
                match now.get(name) {
                    None => taken.push(format!("{table}.{name} is gone")),
                    Some(now) if now.kind != column.kind => taken.push(format!("{table}.{name} is another type")),
                    Some(now) if now.required && !column.required => {
                        taken.push(format!("{table}.{name} must be there now"));
                    }
                    Some(now) if column.filled && !now.filled => taken.push(format!("{table}.{name} has no default")),
                    Some(_) => {}
                }
            }
            for (name, column) in now.iter().filter(|(name, _)| !columns.contains_key(*name)) {
                if column.required && !column.filled {
                    taken.push(format!("{table}.{name} must be said"));
                }
            }
        }
        for ((table, demand), of) in &after.demands {
            let Some(columns) = self.tables.get(table) else { continue };
            let is_new = !self.demands.contains_key(&(table.clone(), demand.clone()));
            if is_new && of.iter().all(|column| columns.contains_key(column)) {
                taken.push(format!("{table} demands more: {demand}"));
            }
        }
        taken
    }
}

#[test]
fn whatever_is_taken_away_is_found() {
    let database = TestDatabase::sqlite();
    let mut intruder = Intruder::new(&database);
    let before = Shape::of(&mut intruder);
    intruder.run(
        "ALTER TABLE services DROP COLUMN asked_at;
        ALTER TABLE webhooks RENAME COLUMN url TO address;
        ALTER TABLE signing_keys ADD COLUMN more TEXT;
        DROP TABLE imported_codes;
        CREATE UNIQUE INDEX one_name_each ON sessions (name);
        CREATE UNIQUE INDEX more_each ON signing_keys (kid, more)",
    );
    let taken = before.taken_by(&Shape::of(&mut intruder));
    let words = [
        "the table imported_codes is gone",
        "services.asked_at is gone",
        "webhooks.url is gone",
        "webhooks.address must be said",
        "sessions demands more: CREATE UNIQUE INDEX one_name_each ON sessions (name)",
    ];
    assert_eq!(taken.iter().map(String::as_str).collect::<Vec<_>>(), words);
}
