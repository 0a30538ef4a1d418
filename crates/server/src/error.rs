//! How a command fails: with a message, and with an exit code that scripts can tell apart.

use std::fmt;
use std::iter::successors;
use std::process::ExitCode;

use anyhow::Error;
use thunderhead_auth::import::ImportError;
use thunderhead_auth::operator::OperatorError;
use thunderhead_auth::tokens::keys::SigningKeyError;
use thunderhead_auth::webhooks::manage::WebhookError;
use thunderhead_domain::import::SourceError;
use thunderhead_domain::ports::StorageError;
use thunderhead_storage::{ConnectError, FileError, LockError, MigrateError, SnapshotError};

use crate::config::ConfigError;
use crate::key_file::KeyError;

/// Why a command was not done.
#[derive(Debug)]
pub enum CommandError {
    /// It was refused, or what it is about is not there: exit code 1.
    Refused(Error),
    /// It was not called or configured as it must be: exit code 2.
    Usage(Error),
    /// The database is away: exit code 3.
    DatabaseAway(Error),
    /// It is the business of another program, which the message names: exit code 4.
    OtherProgram(Error),
}

impl CommandError {
    /// What the process ends with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Refused(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
            Self::DatabaseAway(_) => ExitCode::from(3),
            Self::OtherProgram(_) => ExitCode::from(4),
        }
    }

    /// A usage error.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(Error::msg(message.into()))
    }

    /// Of keys that do not open what is stored. `misfit` names the two where that is so.
    pub(crate) fn keys(error: SigningKeyError, misfit: impl FnOnce() -> String) -> Self {
        match error {
            SigningKeyError::Sealed { .. } => Self::Usage(Error::from(error).context(misfit())),
            other => other.into(),
        }
    }

    /// Of what accounts come from.
    pub(crate) fn source(error: SourceError) -> Self {
        match error {
            SourceError::Away(_) if repeats_url(&error) => Self::usage(
                "--from: the URL is malformed (is a `%` in it written as `%25`?). It is not shown, for it may hold a password",
            ),
            SourceError::Away(_) => Self::DatabaseAway(error.into()),
            SourceError::Unfit(_) => Self::Refused(error.into()),
        }
    }

    pub(crate) fn storage(error: StorageError) -> Self {
        match error {
            StorageError::Outage(_) => Self::DatabaseAway(error.into()),
            StorageError::Unreadable(_) | StorageError::Defect(_) => Self::Refused(error.into()),
        }
    }
}

/// The message with its causes, each of its lines marked as an error.
impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Refused(error) | Self::Usage(error) | Self::DatabaseAway(error) | Self::OtherProgram(error)) = self;
        let text = format!("{error:#}");
        let lines: Vec<String> = text.trim_end().lines().map(|line| format!("error: {}", line.trim_end())).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.into())
    }
}

impl From<KeyError> for CommandError {
    fn from(error: KeyError) -> Self {
        Self::Usage(error.into())
    }
}

impl From<OperatorError> for CommandError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Storage(error) => Self::storage(error),
            OperatorError::Username(_)
            | OperatorError::Email(_)
            | OperatorError::Password(_)
            | OperatorError::Taken
            | OperatorError::UnknownUser(_)
            | OperatorError::UnknownFactor(_)
            | OperatorError::UnknownSession(_)
            | OperatorError::ServiceName(_)
            | OperatorError::ServiceTaken(_)
            | OperatorError::UnknownService(_)
            | OperatorError::Refused(_)
            | OperatorError::Internal(_) => Self::Refused(error.into()),
            OperatorError::Key(error) => error.into(),
        }
    }
}

impl From<ImportError> for CommandError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Source(error) => Self::source(error),
            ImportError::Storage(error) => Self::storage(error),
            ImportError::TooManyKeys | ImportError::Sealing(_) => Self::Refused(error.into()),
        }
    }
}

impl From<WebhookError> for CommandError {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Storage(error) => Self::storage(error),
            WebhookError::Key(error) => error.into(),
            WebhookError::Name(_)
            | WebhookError::Url(_)
            | WebhookError::Taken(_)
            | WebhookError::TooMany
            | WebhookError::Unknown(_)
            | WebhookError::Changed(_)
            | WebhookError::Unsent(_) => Self::Refused(error.into()),
        }
    }
}

impl From<SigningKeyError> for CommandError {
    fn from(error: SigningKeyError) -> Self {
        match error {
            SigningKeyError::Storage(error) => Self::storage(error),
            // The wrong key is a matter of settings.
            SigningKeyError::Sealed { .. } => Self::Usage(error.into()),
            SigningKeyError::Crypto(_) => Self::Refused(error.into()),
        }
    }
}

impl From<MigrateError> for CommandError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Connection(_) if repeats_url(&error) => Self::usage(
                "`database_url`, or `database.migrate_url`: the URL is malformed (is a `%` in it written as `%25`?). It is not shown, for it may \
                 hold a password",
            ),
            MigrateError::Connection(_) => Self::DatabaseAway(error.into()),
            MigrateError::Older(_) => Self::Refused(Error::from(error).context("run `thunderhead migrate` first")),
            MigrateError::File(error) => error.into(),
            MigrateError::Query(_)
            | MigrateError::Migration(_)
            | MigrateError::Newer(_)
            | MigrateError::NotApplied(_)
            | MigrateError::Foreign => Self::Refused(error.into()),
        }
    }
}

impl From<FileError> for CommandError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Missing(_) => Self::Refused(Error::msg(format!(
                "{error}: `thunderhead serve` and `thunderhead migrate` make one there, `--data-dir` and `--database-url` \
                 name another one"
            ))),
            other => Self::Refused(other.into()),
        }
    }
}

impl From<LockError> for CommandError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::File(error) => error.into(),
            LockError::BeingRestored { .. } | LockError::InUse { .. } => Self::Refused(error.into()),
        }
    }
}

impl From<SnapshotError> for CommandError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::File(error) => error.into(),
            SnapshotError::Schema(error) => error.into(),
            SnapshotError::Connect(error) => error.into(),
            SnapshotError::Query { .. } | SnapshotError::Damaged { .. } | SnapshotError::System { .. } => {
                Self::Refused(error.into())
            }
        }
    }
}

/// Whether a message of libpq quotes the URL or a part of it, which it does where it cannot take the URL apart.
fn repeats_url(error: &dyn std::error::Error) -> bool {
    let causes = successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).any(|text| text.contains(" URI") || text.contains("percent-encoded"))
}

impl From<ConnectError> for CommandError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Nothing => Self::Usage(error.into()),
            ConnectError::NoFile(_) | ConnectError::File(_) | ConnectError::Threads(_) => Self::Refused(error.into()),
        }
    }
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_apart_from_a_refusal() {
        let outage = || StorageError::Outage("connection refused".into());
        assert!(matches!(CommandError::from(OperatorError::Storage(outage())), CommandError::DatabaseAway(_)));
        assert!(matches!(CommandError::from(SigningKeyError::Storage(outage())), CommandError::DatabaseAway(_)));
        let defect = StorageError::Defect("odd row".into());
        assert!(matches!(CommandError::from(OperatorError::Storage(defect)), CommandError::Refused(_)));
        assert!(matches!(CommandError::from(OperatorError::Taken), CommandError::Refused(_)));
    }

    #[test]
    fn a_url_that_libpq_cannot_read_is_not_repeated() {
        for url in [
            "postgres://ada:s3cr%zzet@127.0.0.1/x",
            "postgres://ada:s3cret%00@127.0.0.1/x",
            "postgres://ada:s3cret@[::1",
            "postgres://ada:s3cret@[::1]x/y",
            "postgres://ada:s3cret@[]/y",
            "postgres://127.0.0.1/x?password=s3cret=y",
            "postgres://127.0.0.1/x?s3cret",
            "postgres://127.0.0.1/x?s3cret=y",
        ] {
            let error = CommandError::from(thunderhead_storage::check_schema(&url.parse().unwrap()).unwrap_err());
            assert!(matches!(error, CommandError::Usage(_)), "{error}");
            assert!(!error.to_string().contains("s3cr"), "{error}");
        }
    }

    #[test]
    fn a_failure_is_printed_with_its_causes_and_each_line_as_an_error() {
        let error = CommandError::from(OperatorError::Storage(StorageError::Outage("connection refused".into())));
        assert_eq!(error.to_string(), "error: the database is not available: connection refused");
        assert_eq!(CommandError::usage("one\ntwo\n").to_string(), "error: one\nerror: two");
    }
}
