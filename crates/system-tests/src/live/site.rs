//! A place to run servers: a folder, a database, settings. And one server that runs there.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use tempfile::TempDir;

use super::guarded::Guarded;
use super::{TestBed, signal, wait_for};
use thunderhead_tooling::process;
use thunderhead_tooling::throwaway::parent_folder;

/// What clients do here is not to be slowed down by limits or by hashing.
const SETTINGS: [(&str, &str); 10] = [
    ("LISTEN", "127.0.0.1:0"),
    ("LIMITS__GENERAL", "off"),
    ("LIMITS__LOGIN", "off"),
    ("LIMITS__REVOCATION", "off"),
    ("LIMITS__FLOOD", "off"),
    ("HASHING__MEMORY_KIB", "8"),
    ("HASHING__PASSES", "1"),
    ("HASHING__QUEUE", "1024"),
    // 32 bytes; it guards nothing that outlives the run.
    ("ENCRYPTION_KEY", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
    ("LOG", "warn"),
];

/// The database's file, on SQLite.
pub const DATABASE: &str = "thunderhead.db";

/// Databases made so far: each site has its own.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Where a server keeps what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
        })
    }
}

/// A folder and a database.
pub struct Site {
    binary: PathBuf,
    folder: TempDir,
    /// The name of the database in the cluster; on SQLite, none.
    pub database: String,
    url: String,
    /// Settings beside the usual ones, by their names in the environment.
    settings: Vec<(String, String)>,
    /// A library that servers are to load before all others.
    preloaded: Option<PathBuf>,
}

impl Site {
    /// An empty database of its own.
    pub fn new(bed: &TestBed, engine: Engine) -> Result<Self> {
        let mut site = Self::in_folder(bed.binary.clone(), &bed.parent)?;
        if engine == Engine::Postgres {
            site.make_database(bed, "")?;
        }
        Ok(site)
    }

    /// A copy of a database that no server uses, and with the same settings.
    pub fn copy(&self, bed: &TestBed) -> Result<Self> {
        let mut site = Self::in_folder(self.binary.clone(), &bed.parent)?;
        site.settings.clone_from(&self.settings);
        if self.database.is_empty() {
            let file = site.folder().join(DATABASE);
            fs::copy(self.folder().join(DATABASE), &file).context("cannot copy a database")?;
            File::open(file)?.sync_all()?;
        } else {
            // As files: through the log, very many rows take long.
            let version: u32 = bed.sql("postgres", "show server_version_num")?.trim().parse()?;
            let strategy = if version >= 150_000 { " strategy file_copy" } else { "" };
            site.make_database(bed, &format!(" template {}{strategy}", self.database))?;
        }
        Ok(site)
    }

    fn make_database(&mut self, bed: &TestBed, options: &str) -> Result<()> {
        self.database = format!("live_{}", MADE.fetch_add(1, Ordering::Relaxed));
        bed.sql("postgres", &format!("create database {}{options}", self.database))?;
        self.url = bed.cluster.database(&self.database);
        Ok(())
    }

    /// Gives the space back. Dropping it does so only on SQLite.
    pub fn remove(self, bed: &TestBed) -> Result<()> {
        if !self.database.is_empty() {
            bed.sql("postgres", &format!("drop database {} with (force)", self.database))?;
        }
        Ok(())
    }

    /// A place for servers on a database that is there.
    pub fn at(bed: &TestBed, url: &str) -> Result<Self> {
        Ok(Self { url: url.to_owned(), ..Self::in_folder(bed.binary.clone(), &bed.parent)? })
    }

    /// On SQLite, which needs nothing.
    pub fn on_sqlite(binary: PathBuf) -> Result<Self> {
        Self::in_folder(binary, &parent_folder())
    }

    fn in_folder(binary: PathBuf, parent: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("thunderhead-live-").tempdir_in(parent)?;
        let url = format!("sqlite://{}", folder.path().join(DATABASE).display());
        Ok(Self { binary, folder, database: String::new(), url, settings: vec![], preloaded: None })
    }

    /// The same with another build of the server.
    pub fn with_binary(mut self, binary: &Path) -> Self {
        binary.clone_into(&mut self.binary);
        self
    }

    /// A setting for the servers that are started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((format!("THUNDERHEAD_{name}"), value.to_owned()));
    }

    /// Has servers that are started from now on load a library before all others.
    pub fn preload(&mut self, library: PathBuf) {
        self.preloaded = Some(library);
    }

    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The folder, for whatever is to go with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Has a command run here: with the settings of this place, and no others.
    pub fn settle(&self, command: &mut Command) {
        command.current_dir(self.folder());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("THUNDERHEAD_")) {
            command.env_remove(name);
        }
        command.env("THUNDERHEAD_DATA_DIR", self.folder()).env("THUNDERHEAD_DATABASE_URL", &self.url);
        command.envs(SETTINGS.map(|(name, value)| (format!("THUNDERHEAD_{name}"), value)));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
    }

    /// The binary in this place.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments);
        self.settle(&mut command);
        command
    }

    /// Runs a command of the command line with something on its standard input; returns what it prints.
    pub fn operate(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = self.command(arguments);
        let mut file = tempfile::tempfile()?;
        file.write_all(input.as_bytes())?;
        std::io::Seek::rewind(&mut file)?;
        command.stdin(file);
        process::output(command)
    }

    /// Starts a server and waits until it says where it listens.
    pub fn start(&self) -> Result<Server> {
        self.launch()?.wait_until_it_serves()
    }

    /// The same with more settings, which win.
    pub fn start_with(&self, settings: &[(&str, &str)]) -> Result<Server> {
        self.launch_with(settings)?.wait_until_it_serves()
    }

    /// Starts a server and waits for nothing.
    pub fn launch(&self) -> Result<Launched> {
        self.launch_with(&[])
    }

    fn launch_with(&self, settings: &[(&str, &str)]) -> Result<Launched> {
        let log = self.folder.path().join("log");
        let errors = File::options().create(true).append(true).open(&log)?;
        let mut command = self.command(&["serve"]);
        command.envs(settings.iter().map(|(name, value)| (format!("THUNDERHEAD_{name}"), value)));
        command.envs(self.preloaded.iter().map(|library| ("LD_PRELOAD", library)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut guarded = Guarded::spawn(command, self.folder())?;
        let output = guarded.child.stdout.take();
        let process = Process { guarded, log };
        Ok(Launched { output: BufReader::new(output.context("a server without an output")?), process })
    }
}

struct Process {
    guarded: Guarded,
    log: PathBuf,
}

impl Process {
    /// The end of what it logged.
    fn log_tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// A server that may not serve yet.
pub struct Launched {
    process: Process,
    output: BufReader<ChildStdout>,
}

impl Launched {
    /// Its first line says where it listens, and comes when it does.
    pub fn wait_until_it_serves(mut self) -> Result<Server> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let address = line.split("serves http://").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok());
        let Some(address) = address else {
            bail!("a server did not start:\n{line}{}", self.process.log_tail());
        };
        Ok(Server { address, process: self.process, _output: self.output })
    }
}

/// A server that serves. Dropping it kills it.
pub struct Server {
    pub address: SocketAddr,
    process: Process,
    // Open, so that it could still say something.
    _output: BufReader<ChildStdout>,
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.process.guarded.child.id()
    }

    /// SIGKILL: no last word, no clean-up.
    pub fn kill(mut self) -> Result<()> {
        self.process.guarded.child.kill()?;
        self.process.guarded.child.wait()?;
        Ok(())
    }

    pub fn terminate(&self) -> Result<()> {
        self.signal("TERM")
    }

    pub fn signal(&self, name: &str) -> Result<()> {
        signal(name, self.process.guarded.child.id())
    }

    /// Waits until it has ended by itself.
    pub fn wait(mut self, longest: Duration) -> Result<(ExitStatus, Duration)> {
        let log = self.process.log.clone();
        let ended = wait_for("the end of a server", longest, || self.process.guarded.child.try_wait().ok().flatten());
        ended.with_context(|| format!("its log: {}", log.display()))
    }
}
