//! Another program that works with the servers' SQLite file: it writes, checkpoints and vacuums, and is killed while it
//! does.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use thunderhead_system_tests::live::pause;
use thunderhead_system_tests::live::site::Site;

/// How long it waits for the servers to have written, in milliseconds.
const PATIENCE_MILLIS: u32 = 5_000;
/// Each commits something, or moves what was committed. All leave every row as it is.
const SCRIPTS: [&str; 7] = [
    "BEGIN IMMEDIATE; PRAGMA user_version = 0; COMMIT;",
    "PRAGMA wal_checkpoint(PASSIVE);",
    "BEGIN IMMEDIATE; DELETE FROM sessions; ROLLBACK;",
    "PRAGMA wal_checkpoint(RESTART);",
    "BEGIN IMMEDIATE; PRAGMA user_version = 0; COMMIT; PRAGMA wal_checkpoint(FULL);",
    "VACUUM;",
    "PRAGMA wal_checkpoint(TRUNCATE);",
];
/// It is killed in the middle of this.
const HELD: &str = "BEGIN IMMEDIATE; DELETE FROM sessions; SELECT 'begun';\n";
/// How long it holds the servers up before it is killed.
const HOLD: Duration = Duration::from_millis(30);

/// Works once more: the turn decides how.
pub(super) fn work(site: &Site, turn: u32) -> Result<()> {
    let place = turn as usize % (SCRIPTS.len() + 1);
    let Some(script) = SCRIPTS.get(place) else { return work_and_die(site) };
    let mut sqlite = start(site)?;
    sqlite.stdin.take().context("no input")?.write_all(script.as_bytes())?;
    let output = sqlite.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // The servers come first.
    if !output.status.success() && !errors.contains("locked") {
        bail!("sqlite3 {script}: {errors}");
    }
    Ok(())
}

fn work_and_die(site: &Site) -> Result<()> {
    let mut sqlite = start(site)?;
    let mut input = sqlite.stdin.take().context("no input")?;
    input.write_all(HELD.as_bytes())?;
    pause(HOLD);
    sqlite.kill()?;
    sqlite.wait()?;
    Ok(())
}

fn start(site: &Site) -> Result<Child> {
    let mut command = Command::new("sqlite3");
    command.args(["-cmd", &format!(".timeout {PATIENCE_MILLIS}"), "thunderhead.db"]).current_dir(site.folder());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().context("cannot run sqlite3 (apt-get install sqlite3)")
}
