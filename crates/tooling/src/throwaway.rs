//! A Postgres cluster for one test run, gone afterwards however the run ends.
//!
//! A guardian process owns it: a shell that makes the cluster, starts it, and waits for the end of its standard
//! input. We hold the other end. When we are done – or interrupted, or killed – the system closes it, and the
//! guardian, which no interrupt from the terminal reaches, stops the cluster and removes its folder.

use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::postgres::{Installation, free_port};
use crate::process::output;

/// Arguments: the folder of the Postgres programs, the cluster's folder, the server's settings, and, for a standby,
/// what copies its primary and where that is. The server is the guardian's own child, so that it is reaped also where
/// the first process does not do that.
const GUARDIAN: &str = r#"
trap '' HUP INT TERM
make() {
    if [ -z "$5" ]; then
        "$1/initdb" -D data --no-sync -U postgres -A trust -E UTF8 --locale=C
    else
        "$4" -D data --no-sync -d "$5" -R -X stream -c fast
    fi
}
if make "$@" >log 2>&1; then
    printf '%s\n' "$3" >>data/postgresql.conf
    ("$1/postgres" -D data >>log 2>&1; : >stopped) &
    until [ -e stopped ] || grep -qs -e '^ready' -e '^standby' data/postmaster.pid; do sleep 0.05; done
else
    : >stopped
fi
if [ -e stopped ]; then cat log; else echo ready; cat >/dev/null; fi
"$1/pg_ctl" -D data -m immediate -w -s stop >/dev/null 2>&1
wait
cd / && rm -rf -- "$2"
"#;

/// The postmaster is stopped first, so that it starts nobody whom the list does not have: one process that is left keeps
/// the shared memory, and then the server does not start again. What is killed may still have to be reaped by others.
const KILLER: &str = r#"
pid=$(head -n 1 data/postmaster.pid)
kill -s STOP "$pid"
children=$(ps -A -o pid= -o ppid= | awk -v parent="$pid" '$2 == parent { print $1 }')
kill -s KILL "$pid"
for child in $children; do kill -s KILL "$child" 2>/dev/null; done
for child in $children; do
    tries=0
    while kill -s 0 "$child" 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
done
"#;

/// Nothing here outlives the run, so nothing needs to reach a disk. Vacuum would only get in the way of copying
/// databases. Every test has a database and connections of its own, hence so many.
const SETTINGS: [&str; 11] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "jit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=256MB",
    "shared_buffers=64MB",
    "max_connections=400",
    "listen_addresses='127.0.0.1'",
];

/// As Postgres is installed. What was committed outlives a power cut.
const DURABLE: [&str; 6] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "autovacuum=on",
    "wal_level=replica",
    "max_wal_size=1GB",
];

/// What the log says when somebody else was faster to take the port.
const PORT_TAKEN: &str = "could not create any TCP/IP sockets";

/// Below this much free memory, in KiB, the cluster goes to a disk: containers often have a `/dev/shm` of 64 MiB.
const ENOUGH_KIB: u64 = 1 << 20;

/// A running cluster. Dropping it stops it and removes its folder.
pub struct ThrowAwayCluster {
    guardian: Child,
    port: u16,
    /// The server, where it was stopped and started again.
    again: Option<Child>,
    // Removes what the guardian could not, so it comes after it.
    folder: TempDir,
}

impl ThrowAwayCluster {
    /// Makes a cluster and waits until it answers.
    pub fn start(postgres: &Installation) -> Result<Self> {
        Self::start_with(postgres, &[])
    }

    /// The same with more settings, which win.
    pub fn start_with(postgres: &Installation, settings: &[&str]) -> Result<Self> {
        Self::make(postgres, &parent_folder(), settings, "", &free_port)
    }

    /// The same at a port.
    pub fn start_at(postgres: &Installation, port: u16, settings: &[&str]) -> Result<Self> {
        Self::make(postgres, &parent_folder(), settings, "", &|| Ok(port))
    }

    /// A cluster on a disk that reaches it with each commit, as a site has it. More settings win.
    pub fn start_durable(postgres: &Installation, settings: &[&str]) -> Result<Self> {
        Self::make(postgres, &disk_folder(), &[DURABLE.as_slice(), settings].concat(), "", &free_port)
    }

    /// At a port, a standby of the cluster at this URL, which must allow it.
    pub fn standby_at(postgres: &Installation, port: u16, primary: &str, settings: &[&str]) -> Result<Self> {
        Self::make(postgres, &parent_folder(), settings, primary, &|| Ok(port))
    }

    fn make(
        postgres: &Installation,
        parent: &Path,
        settings: &[&str],
        primary: &str,
        port: &dyn Fn() -> Result<u16>,
    ) -> Result<Self> {
        for _ in 0..3 {
            if let Some(cluster) = Self::try_start(postgres, parent, settings, primary, port()?)? {
                return Ok(cluster);
            }
        }
        bail!("each of three free ports was taken before Postgres could use it")
    }

    /// Whether it takes connections, as after a new start it does not at once.
    pub fn is_ready(&self, postgres: &Installation) -> bool {
        let mut command = postgres.command(postgres.program("pg_isready"), self.folder());
        command.args(["--quiet", "--dbname", &self.url()]);
        command.status().is_ok_and(|status| status.success())
    }

    /// Its port on the loopback address.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Has a statement run by `psql`, and returns what it prints, without frills.
    pub fn sql(&self, postgres: &Installation, database: &str, statement: &str) -> Result<String> {
        let mut psql = self.psql(postgres, database);
        psql.args(["--command", statement]);
        output(psql)
    }

    /// `psql` on a database, without frills. It ends at the first error.
    pub fn psql(&self, postgres: &Installation, database: &str) -> Command {
        let mut psql = postgres.command(postgres.program("psql"), self.folder());
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        psql.args(["--dbname", &self.database(database)]);
        psql
    }

    /// Where its maintenance database is. Anybody on this machine may connect as superuser.
    pub fn url(&self) -> String {
        self.database("postgres")
    }

    /// The URL of one of its databases.
    pub fn database(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// Its folder, which whoever runs Postgres can enter.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops the server, and keeps the data.
    pub fn stop(&mut self, postgres: &Installation) -> Result<()> {
        let mut command = postgres.command(postgres.bin().join("pg_ctl"), self.folder());
        command.args(["-D", "data", "-m", "fast", "-w", "-s", "stop"]);
        output(command)?;
        if let Some(mut server) = self.again.take() {
            server.wait()?;
        }
        Ok(())
    }

    /// Kills the server with all its processes, and keeps the data.
    pub fn kill(&mut self, postgres: &Installation) -> Result<()> {
        let mut command = postgres.command("sh", self.folder());
        command.args(["-c", KILLER]);
        output(command)?;
        if let Some(mut server) = self.again.take() {
            server.wait()?;
        }
        Ok(())
    }

    /// Starts a stopped server on its data, and does not wait for it. The guardian stops this one too.
    pub fn start_again(&mut self, postgres: &Installation) -> Result<()> {
        let mut command = postgres.command(postgres.bin().join("postgres"), self.folder());
        let log = File::options().append(true).open(self.folder().join("log"))?;
        command.args(["-D", "data"]).process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.again = Some(command.spawn().context("cannot run postgres")?);
        Ok(())
    }

    /// `None` if the port was taken meanwhile.
    fn try_start(
        postgres: &Installation,
        parent: &Path,
        more: &[&str],
        primary: &str,
        port: u16,
    ) -> Result<Option<Self>> {
        let folder = tempfile::Builder::new().prefix("thunderhead-test-").tempdir_in(parent);
        let folder = folder.with_context(|| format!("cannot make a folder in {}", parent.display()))?;
        postgres.hand_over(folder.path())?;
        let mut command = postgres.command("sh", folder.path());
        command.args(["-c", GUARDIAN, "guardian"]).arg(postgres.bin()).arg(folder.path());
        command.arg(settings(port, folder.path(), more));
        command.arg(postgres.program("pg_basebackup")).arg(primary);
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let guardian = command.spawn().context("cannot run sh")?;
        let mut cluster = Self { guardian, port, again: None, folder };
        let said = cluster.first_words()?;
        match said.as_str() {
            "ready\n" => Ok(Some(cluster)),
            log if log.contains(PORT_TAKEN) => Ok(None),
            log => bail!("the throw-away Postgres did not start:\n{log}"),
        }
    }

    /// `ready`, or else the whole log.
    fn first_words(&mut self) -> Result<String> {
        let mut reader = BufReader::new(self.guardian.stdout.take().context("the guardian has no output")?);
        let mut said = String::new();
        reader.read_line(&mut said)?;
        if said != "ready\n" {
            reader.read_to_string(&mut said)?;
        }
        Ok(said)
    }
}

impl Drop for ThrowAwayCluster {
    fn drop(&mut self) {
        drop(self.guardian.stdin.take());
        if let Err(error) = self.guardian.wait() {
            eprintln!("the guardian of the throw-away Postgres got lost: {error}");
        }
        if let Some(server) = &mut self.again {
            drop(server.wait());
        }
    }
}

/// The end of the server's configuration file.
fn settings(port: u16, folder: &Path, more: &[&str]) -> String {
    let own = [format!("port={port}"), format!("unix_socket_directories='{}'", folder.display())];
    let given = SETTINGS.iter().chain(more).map(|setting| (*setting).to_owned());
    given.chain(own).collect::<Vec<_>>().join("\n")
}

/// Memory where there is enough of it, else the folder for temporary files.
pub fn parent_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let mut free = Command::new("df");
    free.args(["-Pk"]).arg(memory);
    let usable = memory.is_dir()
        && tempfile::tempfile_in(memory).is_ok()
        && output(free).is_ok_and(|table| free_kib(&table).is_some_and(|free| free >= ENOUGH_KIB));
    if usable { memory.to_path_buf() } else { env::temp_dir() }
}

/// A folder for large temporary files, which is on a disk where that for small ones may be in memory.
pub fn disk_folder() -> PathBuf {
    let large = Path::new("/var/tmp");
    if tempfile::tempfile_in(large).is_ok() { large.to_path_buf() } else { env::temp_dir() }
}

/// The fourth column of the second line of `df -Pk`.
fn free_kib(table: &str) -> Option<u64> {
    table.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_read_from_the_portable_form_of_df() {
        let table = "Filesystem 1024-blocks Used Available Capacity Mounted on\ntmpfs 65536 24 65512 1% /dev/shm\n";
        assert_eq!(free_kib(table), Some(65_512));
        assert_eq!(free_kib("df: no such file"), None);
    }

    #[test]
    fn the_server_listens_on_the_loopback_address_alone() {
        let settings = settings(5_432, Path::new("/tmp/x"), &["wal_level=replica"]);
        assert!(settings.contains("\nlisten_addresses='127.0.0.1'\n"), "{settings}");
        assert!(settings.contains("\nwal_level=replica\n"), "{settings}");
        assert!(settings.ends_with("\nport=5432\nunix_socket_directories='/tmp/x'"), "{settings}");
    }
}
