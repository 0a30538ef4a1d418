//! The flags that are settings, and how they are repeated in a command that works where this one did.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use thunderhead_storage::DatabaseUrl;

use crate::config::{ConfigError, File, Flag, Sources};

/// The configuration file that is read if it is there and no other is named.
const DEFAULT_FILE: &str = "thunderhead.toml";

/// Where the help lists what every command has: apart from a command's own options.
const HEADING: &str = "Global options";

/// Settings that every command has.
#[derive(Debug, Args)]
pub(super) struct SettingFlags {
    /// The configuration file [default: thunderhead.toml, if there is one]
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where the database is: sqlite://path or postgres://…
    #[arg(long, global = true, help_heading = HEADING, value_name = "URL")]
    pub(super) database_url: Option<String>,
    /// The directory of the database file and the encryption key [default: ./data]
    #[arg(long, global = true, help_heading = HEADING, value_name = "DIRECTORY")]
    pub(super) data_dir: Option<String>,
}

/// Settings of the server alone.
#[derive(Debug, Args)]
pub(super) struct ServeFlags {
    /// The address and port to listen on [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) listen: Option<String>,
}

impl SettingFlags {
    /// The file that was named, or the default one if it is there, the environment, and the flags.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub(super) fn sources(
        &self,
        serve: &ServeFlags,
        environment: Vec<(OsString, OsString)>,
    ) -> Result<Sources, ConfigError> {
        let flags = [
            ("--database-url", "database_url", &self.database_url),
            ("--data-dir", "data_dir", &self.data_dir),
            ("--listen", "listen", &serve.listen),
        ];
        let given = |(name, key, value): (_, _, &Option<String>)| Some(Flag { name, key, value: value.clone()? });
        let file = match &self.config {
            Some(path) => Some(read_file(path).map_err(|error| ConfigError::unreadable(path, &error))?),
            None => default_file(Path::new(DEFAULT_FILE))?,
        };
        Ok(Sources { file, environment, flags: flags.into_iter().filter_map(given).collect() })
    }

    /// The command that makes a first user where this process looks for it, to be copied into the same shell.
    pub(super) fn first_user_command(&self) -> String {
        let program = env::args().next().unwrap_or_else(|| "thunderhead".to_owned());
        format!("{}{} user create NAME --email ADDRESS --staff", quoted(&program), self.repeated())
    }

    /// The flags as they were typed.
    fn repeated(&self) -> String {
        let config = self.config.as_ref().map(|path| quoted(&path.to_string_lossy()));
        let flags = [
            ("--config", config),
            ("--data-dir", self.data_dir.as_deref().map(quoted)),
            ("--database-url", self.database_url.as_deref().map(shown_url)),
        ];
        flags.into_iter().filter_map(|(name, value)| Some(format!(" {name} {}", value?))).collect()
    }
}

/// The URL, or where it may hold a password a word that stands for it, as others of the command stand for names.
fn shown_url(given: &str) -> String {
    match given.parse::<DatabaseUrl>() {
        Ok(url) if url.to_string() == given => quoted(given),
        _ => "URL".to_owned(),
    }
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(config: Option<&str>, database_url: Option<&str>, data_dir: Option<&str>) -> SettingFlags {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        SettingFlags { config: config.map(Into::into), database_url: owned(database_url), data_dir: owned(data_dir) }
    }

    #[test]
    fn a_configuration_file_that_was_named_must_be_there() {
        let named = flags(Some("/no/such/file.toml"), None, None);
        let error = named.sources(&ServeFlags { listen: None }, vec![]).err().unwrap().to_string();
        assert!(error.starts_with("/no/such/file.toml: "), "{error}");
        assert!(default_file(Path::new("/no/such/file.toml")).unwrap().is_none());
    }

    #[test]
    fn flags_are_repeated_for_a_shell() {
        assert_eq!(flags(None, None, None).repeated(), "");
        let all = flags(Some("my file.toml"), Some("postgres://db.example:5432/x"), Some("it's"));
        assert_eq!(
            all.repeated(),
            r" --config 'my file.toml' --data-dir 'it'\''s' --database-url postgres://db.example:5432/x"
        );
        assert!(all.first_user_command().ends_with(" user create NAME --email ADDRESS --staff"));
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("$(x)"), "'$(x)'");
    }

    #[test]
    fn a_url_that_may_hold_a_password_is_not_repeated() {
        for url in [
            "postgres://ada:s3cret@db/x",
            "postgres://s3cret@db/x",
            "postgres://db/x?password=s3cret",
            "postgres://ada:s3@cret@db/x",
            "postgres://db/x?sslmode=require",
            "not a url: s3cret",
        ] {
            assert_eq!(flags(None, Some(url), None).repeated(), " --database-url URL", "{url}");
        }
        assert_eq!(flags(None, Some("sqlite:///x.db"), None).repeated(), " --database-url sqlite:///x.db");
    }
}
