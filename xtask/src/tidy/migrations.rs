//! Migrations: both engines have those of the same names, and each can be taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::{Finding, entries};

/// One folder for each engine.
const ENGINES: [&str; 2] = ["postgres", "sqlite"];

/// What each migration consists of.
const PARTS: [&str; 2] = ["up.sql", "down.sql"];

/// The migrations of one engine with the files in each.
type Migrations = BTreeMap<String, BTreeSet<String>>;

pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut found = vec![];
    for engine in ENGINES {
        found.push((engine, migrations(&root.join("migrations").join(engine))?));
    }
    Ok(compare(&found))
}

fn migrations(folder: &Path) -> Result<Migrations> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut migrations = Migrations::new();
    for path in entries(folder)?.iter().filter(|path| path.is_dir()) {
        migrations.insert(name(path), entries(path)?.iter().map(|file| name(file)).collect());
    }
    Ok(migrations)
}

fn compare(engines: &[(&str, Migrations)]) -> Vec<Finding> {
    let all: BTreeSet<&String> = engines.iter().flat_map(|(_, migrations)| migrations.keys()).collect();
    let mut findings = vec![];
    for (engine, migrations) in engines {
        for name in &all {
            let file = format!("migrations/{engine}/{name}");
            let Some(parts) = migrations.get(*name) else {
                findings.push(Finding::file(file, "missing here, but another engine has it: write it for both"));
                continue;
            };
            for part in PARTS.into_iter().filter(|part| !parts.contains(*part)) {
                findings.push(Finding::file(&file, format!("has no {part}: write one, if only to say why not")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_up(migrations: &[(&str, &[&str])]) -> Migrations {
        let own = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect();
        migrations.iter().map(|(name, parts)| ((*name).to_owned(), own(parts))).collect()
    }

    #[test]
    fn the_same_migrations_with_both_parts_are_in_order() {
        let both = || made_up(&[("1_users", &PARTS), ("2_sessions", &PARTS)]);
        assert_eq!(compare(&[("postgres", both()), ("sqlite", both())]), []);
    }

    #[test]
    fn a_migration_that_one_engine_lacks_and_one_that_cannot_be_taken_back_are_found() {
        let postgres = made_up(&[("1_users", &PARTS), ("2_sessions", &["up.sql"])]);
        let found = compare(&[("postgres", postgres), ("sqlite", made_up(&[("1_users", &PARTS)]))]);
        let files: Vec<_> = found.iter().map(|finding| finding.file.as_str()).collect();
        assert_eq!(files, ["migrations/postgres/2_sessions", "migrations/sqlite/2_sessions"]);
        assert!(found[0].message.contains("down.sql"), "{found:?}");
    }

    #[test]
    fn folders_are_migrations_and_loose_files_are_not() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("1_users")).unwrap();
        std::fs::write(root.path().join("1_users/up.sql"), "").unwrap();
        std::fs::write(root.path().join("README.md"), "").unwrap();
        assert_eq!(migrations(root.path()).unwrap(), made_up(&[("1_users", &["up.sql"])]));
    }
}
