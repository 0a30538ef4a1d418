//! Real `thunderhead` processes on the loopback address, over databases that are thrown away.

pub mod example;
pub mod guarded;
pub mod http;
pub mod report;
pub mod site;
pub mod switch;
pub mod usage;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use thunderhead_tooling::postgres::Installation;
use thunderhead_tooling::process;
use thunderhead_tooling::throwaway::{ThrowAwayCluster, disk_folder, parent_folder};

/// What is built once for a run: the release binary, and a Postgres.
pub struct TestBed {
    pub binary: PathBuf,
    pub postgres: Installation,
    pub cluster: ThrowAwayCluster,
    /// Where the folders of sites are made.
    pub parent: PathBuf,
}

impl TestBed {
    /// Builds the release and starts a cluster.
    pub fn set_up() -> Result<Self> {
        Self::with_binary(release()?)
    }

    /// The same with a build that is there.
    pub fn with_binary(binary: PathBuf) -> Result<Self> {
        let postgres = Installation::find()?;
        let cluster = ThrowAwayCluster::start(&postgres)?;
        Ok(Self { binary, postgres, cluster, parent: parent_folder() })
    }

    /// The same on a disk that is reached with each commit. More settings of Postgres win.
    pub fn set_up_durable(settings: &[&str]) -> Result<Self> {
        Self::set_up_durable_with(None, settings)
    }

    /// The same with another build of the server, if there is one.
    pub fn set_up_durable_with(server: Option<&Path>, settings: &[&str]) -> Result<Self> {
        let binary = match server {
            Some(binary) => binary.canonicalize().with_context(|| format!("no server at {}", binary.display()))?,
            None => release()?,
        };
        let postgres = Installation::find()?;
        let cluster = ThrowAwayCluster::start_durable(&postgres, settings)?;
        Ok(Self { binary, postgres, cluster, parent: disk_folder() })
    }

    /// Has a statement run in a database by `psql`, and returns what it prints, without frills.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String> {
        let mut psql = self.psql(database);
        psql.args(["--command", statement]);
        process::output(psql)
    }

    /// `psql` on a database, without frills. It ends at the first error.
    pub fn psql(&self, database: &str) -> Command {
        self.cluster.psql(&self.postgres, database)
    }
}

/// The release binary, built where it is not up to date.
pub fn release() -> Result<PathBuf> {
    process::run(process::cargo(["build", "--release", "--locked", "--package", "thunderhead-server"]), &[])?;
    Ok(process::target()?.join("release/thunderhead"))
}

pub fn signal(name: &str, pid: u32) -> Result<()> {
    let mut kill = Command::new("kill");
    kill.args(["-s", name, &pid.to_string()]);
    process::output(kill).map(drop)
}

/// Lets time pass, where time passing is what is tested or where there is nothing to wait for but the outside.
#[expect(clippy::disallowed_methods, reason = "the servers under test live in real time")]
pub fn pause(duration: Duration) {
    thread::sleep(duration);
}

/// Asks again and again until the answer is there. Returns it and how long that took.
pub fn wait_for<T>(what: &str, longest: Duration, mut ask: impl FnMut() -> Option<T>) -> Result<(T, Duration)> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Ok((answer, begun.elapsed()));
        }
        if begun.elapsed() > longest {
            bail!("{what}: not within {longest:?}");
        }
        pause(Duration::from_millis(10));
    }
}

/// Runs the same work on so many threads, each with its number, and gathers what they return.
pub fn on_threads<T: Send>(count: u32, work: impl Fn(u32) -> Result<T> + Sync) -> Result<Vec<T>> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || work(number))).collect();
        threads.into_iter().map(|thread| thread.join().ok().context("a thread panicked")?).collect()
    })
}
