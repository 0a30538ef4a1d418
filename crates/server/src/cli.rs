//! The command line: what can be typed, and what each command does.

mod kill_switch;
mod password;
mod user;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Error};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use serde::Serialize;
use thunderhead_auth::operator::Operator;
use thunderhead_domain::ports::Storage;

use crate::config::{Config, ConfigError, File, Flag, Sources};
use crate::database;
use crate::failure::Failure;
use crate::serve::serve;
use crate::system::{SystemClock, SystemRandom};

/// The configuration file that is read if it is there and no other is named.
const DEFAULT_FILE: &str = "thunderhead.toml";

/// What was typed.
#[derive(Debug, Parser)]
#[command(name = "thunderhead", version, about = "A session and scoped-token server.", disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    settings: SettingFlags,
    #[command(flatten)]
    serve: ServeFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Settings that every command has.
#[derive(Debug, Args)]
struct SettingFlags {
    /// The configuration file [default: thunderhead.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the database is: sqlite://path or postgres://…
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// The directory of the database file and the encryption key [default: ./data]
    #[arg(long, global = true, value_name = "DIRECTORY")]
    data_dir: Option<String>,
}

/// Settings of the server alone.
#[derive(Debug, Args)]
struct ServeFlags {
    /// The address and port to listen on [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server: what happens without a command too.
    Serve {
        #[command(flatten)]
        flags: ServeFlags,
    },
    /// Bring the database schema up to date.
    Migrate {
        #[command(flatten)]
        form: Form,
    },
    /// Make, show, ban and promote users.
    User {
        #[command(subcommand)]
        command: user::UserCommand,
    },
    /// Show and turn kill switches.
    KillSwitch {
        #[command(subcommand)]
        command: kill_switch::KillSwitchCommand,
    },
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Args)]
struct Form {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Form {
    /// The result for a script or for a person.
    fn print(self, json: &impl Serialize, plain: impl FnOnce() -> String) -> Result<String, Failure> {
        if !self.json {
            return Ok(plain());
        }
        Ok(serde_json::to_string_pretty(json).context("the result cannot be printed as JSON")?)
    }
}

/// A list in JSON.
#[derive(Serialize)]
struct List<T> {
    count: u64,
    items: Vec<T>,
}

impl Arguments {
    /// Reads the command line; prints help or a usage error, and ends the process, where that is called for.
    pub(crate) fn read() -> Self {
        let mut arguments = Self::parse();
        if let Some(Command::Serve { flags }) = &mut arguments.command {
            arguments.serve.listen = flags.listen.take().or(arguments.serve.listen);
        } else if arguments.command.is_some() && arguments.serve.listen.is_some() {
            Self::command().error(ErrorKind::ArgumentConflict, "--listen is for the server alone").exit();
        }
        arguments
    }

    /// Does what was typed; returns what is to be printed.
    ///
    /// # Errors
    /// [`Failure`], with the exit code that the process ends with.
    pub(crate) fn run(self) -> Result<String, Failure> {
        let config = Config::load(&self.sources(env::vars_os().collect())?)?;
        match self.command {
            None | Some(Command::Serve { .. }) => serve(&config).map(|()| String::new()),
            Some(Command::Migrate { form }) => migrate(&config, form),
            Some(Command::User { command }) => user::run(&config, command),
            Some(Command::KillSwitch { command }) => kill_switch::run(&config, command),
        }
    }

    /// The file that was named, or the default one if it is there, the environment, and the flags.
    fn sources(&self, environment: Vec<(std::ffi::OsString, std::ffi::OsString)>) -> Result<Sources, ConfigError> {
        let flags = [
            ("--database-url", "database_url", &self.settings.database_url),
            ("--data-dir", "data_dir", &self.settings.data_dir),
            ("--listen", "listen", &self.serve.listen),
        ];
        let given = |(name, key, value): (_, _, &Option<String>)| Some(Flag { name, key, value: value.clone()? });
        let file = match &self.settings.config {
            Some(path) => Some(read_file(path).map_err(|error| ConfigError::unreadable(path, &error))?),
            None => default_file(Path::new(DEFAULT_FILE))?,
        };
        Ok(Sources { file, environment, flags: flags.into_iter().filter_map(given).collect() })
    }
}

fn read_file(path: &Path) -> io::Result<File> {
    Ok(File { path: path.to_owned(), text: fs::read_to_string(path)? })
}

fn default_file(path: &Path) -> Result<Option<File>, ConfigError> {
    match read_file(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError::unreadable(path, &error)),
    }
}

fn migrate(config: &Config, form: Form) -> Result<String, Failure> {
    let applied = database::bring_up_to_date(config)?;
    let plain = || match applied.as_slice() {
        [] => "The schema is up to date.".to_owned(),
        applied => format!("Applied:\n  {}", applied.join("\n  ")),
    };
    form.print(&List { count: applied.len() as u64, items: applied.clone() }, plain)
}

/// The operator's use cases over an opened database.
fn operator(storage: Arc<dyn Storage>) -> Operator {
    Operator::new(storage, Arc::new(SystemClock), Arc::new(SystemRandom))
}

/// Runs a use case to its end.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.map_err(|error| Error::from(error).context("the runtime cannot be started"))?.block_on(work)
}

#[cfg(test)]
mod tests;
