//! The command line: what can be typed, and what each command does.

mod audit;
mod backup;
mod completions;
mod config;
mod confirm;
mod flags;
mod form;
mod import;
mod key;
mod kill_switch;
mod listing;
mod moment;
mod names;
mod password;
mod restore;
mod service;
mod session;
mod user;
mod webhook;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Error;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use thunderhead_auth::operator::Operator;
use thunderhead_domain::ports::Storage;

use self::confirm::{ConfirmFlags, Consent};
use self::flags::{ServeFlags, SettingFlags};
use self::form::{Form, JsonList};
use crate::config::Config;
use crate::database;
use crate::error::CommandError;
use crate::serve::serve;
use crate::system::{SystemClock, SystemRandom};

/// What [`CommandError`] ends the process with, for the help.
const EXIT_CODES: &str = "\
Exit codes:
  0  it was done
  1  it was refused, or what it is about is not there
  2  the command line or a setting is wrong
  3  the database is away
  4  it is done with the database's own programs: `backup` and `restore` on Postgres";

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "thunderhead",
    version,
    about = "A session and scoped-token server.",
    after_help = EXIT_CODES,
    disable_help_subcommand = true
)]
pub struct Arguments {
    #[command(flatten)]
    settings: SettingFlags,
    #[command(flatten)]
    serve: ServeFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server: what happens without a command too.
    Serve {
        #[command(flatten)]
        flags: ServeFlags,
    },
    /// Bring the database schema up to date, or back to what an earlier version knows.
    Migrate {
        /// Take back the migrations that follow this one, while no server runs. What an earlier version cannot keep is lost
        #[arg(long, value_name = "MIGRATION")]
        back_to: Option<String>,
        #[command(flatten)]
        confirm_flags: ConfirmFlags,
        #[command(flatten)]
        form: Form,
    },
    /// Back up the database, while the server runs or not.
    Backup(backup::Backup),
    /// Put a backup in the place of the database, while no server runs.
    Restore(restore::Restore),
    /// Make, show, verify, ban, promote and delete users, and set their passwords.
    User {
        #[command(subcommand)]
        command: user::UserCommand,
    },
    /// Show and end sessions.
    Session {
        #[command(subcommand)]
        command: session::SessionCommand,
    },
    /// Show and turn kill switches.
    KillSwitch {
        #[command(subcommand)]
        command: kill_switch::KillSwitchCommand,
    },
    /// Show and rotate signing keys, and change the encryption key.
    Key {
        #[command(subcommand)]
        command: key::KeyCommand,
    },
    /// Show, make and revoke services that may ask whose token something is.
    Service {
        #[command(subcommand)]
        command: service::ServiceCommand,
    },
    /// Show, add, remove and try endpoints that events are posted to.
    Webhook {
        #[command(subcommand)]
        command: webhook::WebhookCommand,
    },
    /// Take in accounts of another program, with their passwords, second factors and sessions.
    Import {
        #[command(subcommand)]
        command: import::ImportCommand,
    },
    /// Print accounts for another program.
    Export {
        #[command(subcommand)]
        command: import::ExportCommand,
    },
    /// Show who did what.
    Audit {
        #[command(subcommand)]
        command: audit::AuditCommand,
    },
    /// Show the settings.
    Config {
        #[command(subcommand)]
        command: config::ConfigCommand,
    },
    /// Print a script that teaches a shell to complete commands.
    Completions(completions::Completions),
}

impl Arguments {
    /// Reads the command line; prints help or a usage error, and ends the process, where that is called for.
    pub fn read() -> Self {
        let mut arguments = Self::parse();
        if let Some(Command::Serve { flags }) = &mut arguments.command {
            arguments.serve.listen = flags.listen.take().or(arguments.serve.listen);
        } else if arguments.command.is_some() && arguments.serve.listen.is_some() {
            Self::command().error(ErrorKind::ArgumentConflict, "--listen is for the server alone").exit();
        }
        arguments
    }

    /// Does what was typed; returns what is to be printed. Lists that may be long are printed as they are read.
    ///
    /// # Errors
    /// [`CommandError`], with the exit code that the process ends with.
    pub fn run(self) -> Result<String, CommandError> {
        self.run_in(env::vars_os().collect(), &mut io::stdout())
    }

    fn run_in(self, environment: Vec<(OsString, OsString)>, out: &mut dyn Write) -> Result<String, CommandError> {
        let sources = || self.settings.sources(&self.serve, environment);
        let config = |sources| Config::load(&sources).map_err(CommandError::from);
        match self.command {
            Some(Command::Completions(which)) => Ok(completions::script(which)),
            Some(Command::Config { command }) => config::run(&sources()?, command),
            None | Some(Command::Serve { .. }) => {
                serve(config(sources()?)?, &self.settings.first_user_command()).map(|()| String::new())
            }
            Some(Command::Migrate { back_to: None, form, .. }) => migrate(&config(sources()?)?, form),
            Some(Command::Migrate { back_to: Some(last), confirm_flags, form }) => {
                migrate_back(&config(sources()?)?, &last, confirm_flags.consent()?, form)
            }
            Some(Command::Backup(backup)) => {
                let sources = sources()?;
                let settings = sources.file.as_ref().map(|file| file.path.clone());
                backup::run(&config(sources)?, settings.as_deref(), backup)
            }
            Some(Command::Restore(restore)) => restore::run(&config(sources()?)?, restore),
            Some(Command::User { command }) => user::run(&config(sources()?)?, command, out),
            Some(Command::Session { command }) => session::run(&config(sources()?)?, command, out),
            Some(Command::KillSwitch { command }) => kill_switch::run(&config(sources()?)?, command),
            Some(Command::Key { command }) => key::run(&config(sources()?)?, command),
            Some(Command::Service { command }) => service::run(&config(sources()?)?, command),
            Some(Command::Webhook { command }) => webhook::run(&config(sources()?)?, command),
            Some(Command::Import { command }) => import::run(&config(sources()?)?, command),
            Some(Command::Export { command }) => import::export(&config(sources()?)?, &command),
            Some(Command::Audit { command }) => audit::run(&config(sources()?)?, command),
        }
    }
}

fn migrate(config: &Config, form: Form) -> Result<String, CommandError> {
    let applied = database::bring_up_to_date(config)?;
    let plain = || match applied.as_slice() {
        [] => "The schema is up to date.".to_owned(),
        applied => format!("Applied:\n  {}", applied.join("\n  ")),
    };
    form.print(&JsonList::whole(applied.clone()), plain)
}

fn migrate_back(config: &Config, last: &str, consent: Consent, form: Form) -> Result<String, CommandError> {
    consent.to(&format!("Take back the migrations that follow {last}, and lose what came with them"))?;
    let taken_back = database::bring_back(config, last)?;
    let plain = || match taken_back.as_slice() {
        [] => format!("{last} is the latest migration."),
        taken_back => format!("Taken back:\n  {}", taken_back.join("\n  ")),
    };
    form.print(&JsonList::whole(taken_back.clone()), plain)
}

/// The operator's use cases over an opened database.
fn operator(storage: Arc<dyn Storage>) -> Operator {
    Operator::new(storage, Arc::new(SystemClock), Arc::new(SystemRandom))
}

/// Does something on the database that is there.
fn on_database<T>(
    config: &Config,
    work: impl AsyncFnOnce(Operator) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let database = database::open(config)?;
    block_on(work(operator(database.storage)))
}

/// Runs a use case to its end.
fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Error::from(error).context("the runtime cannot be started"))?.block_on(work)
}

#[cfg(test)]
mod tests;
