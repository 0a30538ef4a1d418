//! An upgrade, and the way back: servers of an earlier version and of this one over the same database, before, while and
//! after it is migrated. Nothing that either acknowledged is lost or undone, and what one has ended the other refuses.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::FaultOptions;
use super::failover::load::{Clients, FailoverCounts, Load};
use thunderhead_system_tests::live::http::Client;
use thunderhead_system_tests::live::report::Report;
use thunderhead_system_tests::live::site::{DATABASE, Engine, Server, Site};
use thunderhead_system_tests::live::{TestBed, pause};
use thunderhead_system_tests::requests::register;
use thunderhead_tooling::process;

/// How long clients go on in each part.
const QUIET: Duration = Duration::from_secs(3);
/// How long a server may take to end.
const LONGEST: Duration = Duration::from_secs(15);
/// How a migration begins that replicas of the version before do not outlive.
const CONTRACTS: &str = "-- Contracts: ";

/// What the earlier version's database lacks.
struct Pending {
    /// The last migration that it has.
    last: String,
    count: usize,
    /// The first that contracts.
    contracts: Option<String>,
}

pub(super) fn run(bed: &TestBed, former: &Path, options: &FaultOptions, report: &mut Report) -> Result<()> {
    on_postgres(bed, former, options, report)?;
    on_sqlite(bed, former, options, report)
}

fn on_postgres(bed: &TestBed, former: &Path, options: &FaultOptions, report: &mut Report) -> Result<()> {
    let before = Site::new(bed, Engine::Postgres)?.with_binary(former);
    let after = Site::at(bed, &bed.cluster.database(&before.database))?;
    let old = [before.start()?, before.start()?];
    let pending = pending(&bed.sql(&before.database, "select version from __diesel_schema_migrations")?)?;

    // The earlier version serves while this one migrates.
    let upgrade = load("while it is migrated", old.each_ref(), true, options, report);
    let mut clients = upgrade.until(|| {
        pause(QUIET);
        after.operate(&["migrate"], "")?;
        pause(QUIET);
        Ok(())
    })?;
    let side_by_side = load("side by side", old.each_ref(), false, options, report);
    let met = if let Some(contracts) = &pending.contracts {
        for server in &old {
            let answer = Client::new(server.address).ask(&register("late"))?;
            let told = || format!("upgrade: the earlier version still answers after {contracts}: {answer}");
            report.violations().unless(answer.status == 503, told);
        }
        format!("answers 503 from {contracts} on")
    } else {
        let new = after.start()?;
        clients = clients.now_at([old[0].address, new.address]);
        clients.compare()?;
        let side_by_side = Load { replicas: [old[0].address, new.address], ..side_by_side };
        let counts = side_by_side.during(|| {
            pause(QUIET);
            Ok(())
        })?;
        format!("beside this one: {counts}")
    };
    let again = before.launch()?.wait_until_it_serves();
    report.violations().unless(again.is_err(), || "upgrade: a schema that it does not know is served".to_owned());
    stop(old)?;

    // This one serves alone.
    let new = [after.start()?, after.start()?];
    clients = clients.now_at(new.each_ref().map(|server| server.address));
    let counts = clients.compare()?;
    let alone = load("after it", new.each_ref(), false, options, report);
    let mut later = alone.until(|| {
        pause(QUIET);
        Ok(())
    })?;
    later.compare()?;
    stop(new)?;
    after.operate(&["migrate", "--back-to", &pending.last, "--yes"], "")?;
    let old = [before.start()?, before.start()?];
    let back = back([clients, later], old.each_ref())?;
    stop(old)?;
    let count = pending.count;
    report.row(
        "upgrade",
        Engine::Postgres,
        format!("{count} migrations under load: {counts}; the earlier version {met}"),
    );
    report.row("upgrade", Engine::Postgres, format!("and back: {back}"));
    Ok(())
}

/// One server at a time, on the same file.
fn on_sqlite(bed: &TestBed, former: &Path, options: &FaultOptions, report: &mut Report) -> Result<()> {
    let site = Site::new(bed, Engine::Sqlite)?.with_binary(former);
    let go_on = || {
        pause(QUIET);
        Ok(())
    };
    let old = site.start()?;
    let before = load("before it", [&old, &old], false, options, report);
    let clients = before.until(go_on)?;
    stop([old])?;
    let mut versions = Command::new("sqlite3");
    versions.arg(site.folder().join(DATABASE)).arg("select version from __diesel_schema_migrations");
    let pending = pending(&process::output(versions)?)?;
    let site = site.with_binary(&bed.binary);
    let new = site.start()?;
    let mut clients = clients.now_at([new.address; 2]);
    let counts = clients.compare()?;
    let after = load("after it", [&new, &new], false, options, report);
    let mut later = after.until(go_on)?;
    later.compare()?;
    stop([new])?;
    site.operate(&["migrate", "--back-to", &pending.last, "--yes"], "")?;
    let site = site.with_binary(former);
    let old = site.start()?;
    let back = back([clients, later], [&old, &old])?;
    stop([old])?;
    report.row("upgrade", Engine::Sqlite, format!("{} migrations: {counts}", pending.count));
    report.row("upgrade", Engine::Sqlite, format!("and back: {back}"));
    Ok(())
}

/// Compares all with what the earlier version says once more.
fn back(clients: [Clients<'_>; 2], old: [&Server; 2]) -> Result<String> {
    let [first, second] = clients.map(|clients| clients.now_at(old.map(|server| server.address)).compare());
    Ok([first?, second?].into_iter().sum::<FailoverCounts>().to_string())
}

fn load<'a>(
    part: &'a str,
    servers: [&Server; 2],
    outages: bool,
    options: &FaultOptions,
    report: &'a Report,
) -> Load<'a> {
    let replicas: [SocketAddr; 2] = servers.map(|server| server.address);
    let violations = report.violations();
    Load { part, replicas, clients: options.clients, violations, outages, bite: false, may_lose: false }
}

fn stop<const N: usize>(servers: [Server; N]) -> Result<()> {
    for server in servers {
        server.terminate()?;
        server.wait(LONGEST)?;
    }
    Ok(())
}

/// Compares the migrations of the workspace with the versions that a database has, one in each line.
fn pending(versions: &str) -> Result<Pending> {
    let has: Vec<_> = versions.split_whitespace().collect();
    let last = has.iter().max().context("a database without migrations")?.to_string();
    let folder = process::workspace()?.join("migrations/postgres");
    let mut pending = Pending { last, count: 0, contracts: None };
    let mut folders = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    folders.sort();
    for migration in folders {
        let name = migration.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let version = name.split('_').next().unwrap_or_default().replace('-', "");
        if has.contains(&version.as_str()) {
            continue;
        }
        pending.count += 1;
        if pending.contracts.is_none() && fs::read_to_string(migration.join("up.sql"))?.starts_with(CONTRACTS) {
            pending.contracts = Some(name);
        }
    }
    Ok(pending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_known_by_its_version() {
        let found = pending("20261128000001\n20261128000002\n").unwrap();
        assert_eq!(
            (found.last.as_str(), found.contracts.as_deref()),
            ("20261128000002", Some("2026-11-28-000007_partitioned_changes"))
        );
        assert!(found.count > 10);
        assert!(pending("").is_err());
    }
}
