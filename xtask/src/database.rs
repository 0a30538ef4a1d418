//! `cargo xtask db …`: a private Postgres for development. It is kept between runs, in `target/dev-postgres`,
//! and asks for a password that only the owner of that folder can read.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use thunderhead_tooling::postgres::{Installation, free_port};
use thunderhead_tooling::process;

/// What to do with it.
#[derive(Clone, Copy, Subcommand)]
pub(crate) enum Action {
    /// Start it, making it first where there is none, and print its URL.
    Start,
    /// Stop it. Its data stay.
    Stop,
    /// Print its URL.
    Url,
}

pub(crate) fn run(action: Action) -> Result<()> {
    let development = Development { postgres: Installation::find()?, folder: folder()? };
    match action {
        Action::Start => development.start(),
        Action::Stop => development.stop(),
        Action::Url => development.print_url(),
    }
}

struct Development {
    postgres: Installation,
    folder: PathBuf,
}

impl Development {
    fn start(&self) -> Result<()> {
        if self.is_running() {
            return self.print_url();
        }
        if !self.data().join("PG_VERSION").is_file() {
            self.make()?;
        }
        let port = self.port()?;
        let options = format!("-c listen_addresses=127.0.0.1 -p {port} -k '{}'", self.folder.display());
        let mut command = self.pg_ctl();
        command.arg("-l").arg(self.folder.join("log")).args(["-o", &options, "-w", "-s", "start"]);
        process::run(command, &[]).with_context(|| format!("see {}", self.folder.join("log").display()))?;
        let password = fs::read_to_string(self.password())?;
        let url = format!("postgres://postgres:{}@127.0.0.1:{port}/postgres", password.trim_end());
        write_private(&self.url(), &url)?;
        self.print_url()
    }

    fn stop(&self) -> Result<()> {
        if !self.is_running() {
            eprintln!("it is not running");
            return Ok(());
        }
        let mut command = self.pg_ctl();
        command.args(["-m", "fast", "-w", "-s", "stop"]);
        process::run(command, &[])
    }

    fn print_url(&self) -> Result<()> {
        if !self.is_running() {
            bail!("it is not running: cargo xtask db start");
        }
        println!("{}", fs::read_to_string(self.url())?);
        Ok(())
    }

    /// Makes the cluster. The data folder appears only when it is whole.
    fn make(&self) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700))?;
        self.postgres.hand_over(&self.folder)?;
        write_private(&self.password(), &random_password()?)?;
        self.postgres.hand_over(&self.password())?;
        let unfinished = self.folder.join("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        let mut command = self.postgres.command(self.postgres.bin().join("initdb"), &self.folder);
        command.args(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C"]);
        command.arg("--pwfile").arg(self.password()).arg("-D").arg(&unfinished);
        process::output(command).with_context(|| {
            format!("where xtask runs as root, the account `postgres` must be able to reach {}", self.folder.display())
        })?;
        fs::rename(unfinished, self.data()).context("cannot put the new cluster in place")
    }

    /// The port of the last time if nobody took it meanwhile, so that URLs in settings stay good.
    fn port(&self) -> Result<u16> {
        let file = self.folder.join("port");
        let last = fs::read_to_string(&file).ok().and_then(|text| text.parse::<u16>().ok());
        if let Some(port) = last.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
            return Ok(port);
        }
        let port = free_port()?;
        fs::write(file, port.to_string())?;
        Ok(port)
    }

    fn is_running(&self) -> bool {
        let mut command = self.pg_ctl();
        command.arg("status");
        self.folder.is_dir() && process::succeeds(command)
    }

    fn pg_ctl(&self) -> std::process::Command {
        let mut command = self.postgres.command(self.postgres.bin().join("pg_ctl"), &self.folder);
        command.arg("-D").arg(self.data());
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn password(&self) -> PathBuf {
        self.folder.join("password")
    }

    fn url(&self) -> PathBuf {
        self.folder.join("url")
    }
}

fn folder() -> Result<PathBuf> {
    Ok(process::workspace()?.join("target").join("dev-postgres"))
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, text: &str) -> Result<()> {
    if path.exists() {
        fs::remove_file(path)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// 128 bits in hexadecimal digits.
fn random_password() -> Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes).context("the system has no random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_written_for_their_owner_alone_even_over_an_open_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn passwords_are_long_and_never_the_same() {
        let passwords = [random_password().unwrap(), random_password().unwrap()];
        assert!(passwords.iter().all(|password| password.len() == 32));
        assert_ne!(passwords[0], passwords[1]);
    }
}
