//! Finding Postgres on this machine, and running its programs as somebody it accepts: it refuses to run as root.

mod packaged;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{output, run, succeeds};

/// What to do where there is no Postgres.
const HOW_TO_INSTALL: &str =
    "the programs of a Postgres server (initdb, pg_ctl, postgres; version 13 or newer) were not found.
  Debian, Ubuntu:  apt-get install postgresql
  Fedora:          dnf install postgresql-server
  macOS:           brew install postgresql
Where they are in an unusual place, say so: PG_BIN=/path/to/bin cargo xtask …";

/// The accounts that run Postgres in place of root, the first that exists.
const STAND_INS: [&str; 2] = ["postgres", "nobody"];

/// Ports that neither a well-known service has nor a client is given.
const LOWEST_LASTING_PORT: u16 = 20_000;
const LASTING_PORTS: u16 = 10_000;

/// The Postgres programs, and who runs them.
pub struct Installation {
    bin: PathBuf,
    stand_in: Option<UnixAccount>,
}

/// An unprivileged account of the machine.
#[derive(Clone, Copy)]
struct UnixAccount {
    user: u32,
    group: u32,
}

impl Installation {
    /// The same as [`Installation::find`], but installs the programs where they are missing and we may: as root, on a
    /// machine with apt-get.
    pub fn find_or_install() -> Result<Self> {
        match Self::find() {
            Err(_) if env::var_os("PG_BIN").is_none() && may_install()? => {
                install()?;
                Self::find()
            }
            found => found,
        }
    }

    /// Looks in `PG_BIN`, on the PATH, where `pg_config` says, and where Debian puts it.
    pub fn find() -> Result<Self> {
        let bin = match given()? {
            Some(folder) => folder,
            None => candidates().into_iter().find(|folder| holds_server(folder)).context(HOW_TO_INSTALL)?,
        };
        Self::in_folder(bin)
    }

    /// That of a major version: the one that `PG_BIN` names, else one of this machine, else the programs that npm has.
    pub fn of_version(major: u32) -> Result<Self> {
        if let Some(folder) = given()? {
            return Self::in_folder(folder)?.ensure_is(major);
        }
        for folder in candidates().into_iter().filter(|folder| holds_server(folder)) {
            let found = Self::in_folder(folder)?;
            if found.version().is_ok_and(|version| major_of(&version) == Some(major)) {
                return Ok(found);
            }
        }
        Self::in_folder(packaged::programs(major)?)?.ensure_is(major)
    }

    fn in_folder(bin: PathBuf) -> Result<Self> {
        Ok(Self { bin, stand_in: stand_in()? })
    }

    fn ensure_is(self, major: u32) -> Result<Self> {
        let version = self.version()?;
        ensure!(major_of(&version) == Some(major), "{} holds {version}, not {major}", self.bin.display());
        Ok(self)
    }

    /// What its server says it is: `postgres (PostgreSQL) 18.4`.
    pub fn version(&self) -> Result<String> {
        let mut command = self.command(self.bin.join("postgres"), Path::new("/"));
        command.arg("--version");
        let version = output(command).with_context(|| {
            format!(
                "whoever runs Postgres (where we are root, another account) must be able to reach {}",
                self.bin.display()
            )
        })?;
        Ok(version.trim_end().to_owned())
    }

    /// The folder of the programs.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// A program of Postgres' that is none of the server's own: beside them, or where they are links to, or on the
    /// PATH.
    pub fn program(&self, name: &str) -> PathBuf {
        let real = self.bin.join("postgres").canonicalize().ok();
        let folders = [Some(self.bin.as_path()), real.as_deref().and_then(Path::parent)];
        let mut programs = folders.into_iter().flatten().map(|folder| folder.join(name));
        programs.find(|program| program.is_file()).unwrap_or_else(|| PathBuf::from(name))
    }

    /// A program of the machine, run by whoever runs Postgres, in a folder that they can enter.
    pub fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        // Messages are matched and shown: keep them in English, and let no setting of the caller's steer them.
        command.current_dir(folder).env("LC_ALL", "C");
        for name in ["PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGOPTIONS", "PGSERVICE", "PGPASSFILE"] {
            command.env_remove(name);
        }
        if let Some(account) = self.stand_in {
            command.uid(account.user).gid(account.group);
        }
        command
    }

    /// Gives a file or a folder to whoever runs Postgres.
    pub fn hand_over(&self, path: &Path) -> Result<()> {
        let Some(account) = self.stand_in else { return Ok(()) };
        let context = || format!("cannot give {} to the account that runs Postgres", path.display());
        chown(path, Some(account.user), Some(account.group)).with_context(context)
    }
}

/// The folder that `PG_BIN` names.
fn given() -> Result<Option<PathBuf>> {
    let Some(folder) = env::var_os("PG_BIN").map(PathBuf::from) else { return Ok(None) };
    ensure!(holds_server(&folder), "PG_BIN is {}, which does not hold initdb, pg_ctl and postgres", folder.display());
    Ok(Some(folder))
}

/// The first number of what a server says that it is.
fn major_of(version: &str) -> Option<u32> {
    let number = version.strip_prefix("postgres (PostgreSQL) ")?;
    number.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

fn may_install() -> Result<bool> {
    let mut apt = Command::new("apt-get");
    apt.arg("--version");
    Ok(identity("-u", None)? == 0 && succeeds(apt))
}

/// Installs the programs. Debian's package would make a cluster and start it, too, unless it is told not to.
fn install() -> Result<()> {
    eprintln!("Postgres, which the tests want, is not on this machine, and is installed now.");
    let settings = Path::new("/etc/postgresql-common/createcluster.conf");
    if !settings.exists() {
        fs::create_dir_all("/etc/postgresql-common")?;
        fs::write(settings, "create_main_cluster = false\n")?;
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        run(command, &[])
    };
    apt(&["update", "-qq"])?;
    let keep_settings = "Dpkg::Options::=--force-confold";
    apt(&["install", "-y", "-qq", "--no-install-recommends", "-o", keep_settings, "postgresql"])
}

/// A port of the loopback address that nobody listens on. Somebody else may take it before Postgres does.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

/// The same below those that systems give to clients: so it is still free when a server that was lost is replaced.
pub fn lasting_port() -> Result<u16> {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() as u16 % LASTING_PORTS;
    let tried = (0..LASTING_PORTS)
        .map(|_| LOWEST_LASTING_PORT + first.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % LASTING_PORTS);
    let free = tried.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.context("no free port on 127.0.0.1")
}

fn holds_server(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file())
}

fn candidates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    let mut pg_config = Command::new("pg_config");
    pg_config.arg("--bindir");
    if let Ok(folder) = output(pg_config) {
        folders.push(PathBuf::from(folder.trim_end()));
    }
    folders.extend(by_version(Path::new("/usr/lib/postgresql")));
    folders
}

/// The `bin` folders below a folder that has one subfolder for each version, newest first.
fn by_version(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = parent.read_dir() else { return vec![] };
    let version = |path: PathBuf| Some((path.file_name()?.to_str()?.parse::<u32>().ok()?, path));
    let mut versions: Vec<_> = entries.flatten().filter_map(|entry| version(entry.path())).collect();
    versions.sort_unstable_by(|left, right| right.cmp(left));
    versions.into_iter().map(|(_, path)| path.join("bin")).collect()
}

/// Who runs Postgres if we are root; nobody else if we are not.
fn stand_in() -> Result<Option<UnixAccount>> {
    if identity("-u", None)? != 0 {
        return Ok(None);
    }
    for name in STAND_INS {
        if let (Ok(user), Ok(group)) = (identity("-u", Some(name)), identity("-g", Some(name))) {
            return Ok(Some(UnixAccount { user, group }));
        }
    }
    bail!("Postgres refuses to run as root, and this machine has neither of the accounts {}", STAND_INS.join(", "))
}

fn identity(what: &str, name: Option<&str>) -> Result<u32> {
    let mut command = Command::new("id");
    command.arg(what).args(name);
    output(command)?.trim_end().parse().context("`id` did not print a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_major_version_is_the_first_number_of_what_a_server_says() {
        for (said, major) in [
            ("postgres (PostgreSQL) 18.4", Some(18)),
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("postgres (PostgreSQL) 19beta1", Some(19)),
            ("postgres (PostgreSQL) devel", None),
            ("another program 18.4", None),
        ] {
            assert_eq!(major_of(said), major, "{said}");
        }
    }

    #[test]
    fn the_newest_version_comes_first_and_other_folders_do_not_count() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["9", "17", "13", "common"] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        let expected: Vec<_> = ["17", "13", "9"].map(|name| parent.path().join(name).join("bin")).into();
        assert_eq!(by_version(parent.path()), expected);
        assert_eq!(by_version(Path::new("/nowhere/at/all")), Vec::<PathBuf>::new());
    }
}
