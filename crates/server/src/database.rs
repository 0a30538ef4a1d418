//! Opening the database that the settings name, with a schema that fits this program.

use std::sync::Arc;

use anyhow::Context;
use thunderhead_domain::ports::Storage;
use thunderhead_storage::{DatabaseLock, check_schema, check_writable, connect, migrate, migrate_back};

use crate::config::Config;
use crate::error::CommandError;
use crate::key_file::make_private_directory;

/// An opened database. While it is held, nothing puts another one in its place.
pub(crate) struct OpenDatabase {
    /// What is in it.
    pub(crate) storage: Arc<dyn Storage>,
    /// What keeps restorations away.
    pub(crate) lock: DatabaseLock,
}

/// Opens the database for the server: makes it where there is none, and brings the schema up to date, where the
/// settings say so; and makes sure that it can be written.
///
/// # Errors
/// [`CommandError::DatabaseAway`] where it cannot be reached.
pub(crate) fn open_or_make(config: &Config) -> Result<OpenDatabase, CommandError> {
    if config.migrate_on_start {
        bring_up_to_date(config)?;
    }
    let database = open(config)?;
    check_writable(&config.database.url)?;
    Ok(database)
}

/// Opens a database that is there: what is done in the wrong directory must not make a new file.
///
/// # Errors
/// As [`open_or_make`], and [`CommandError::Refused`] where there is none, or the schema is not this program's.
pub(crate) fn open(config: &Config) -> Result<OpenDatabase, CommandError> {
    let lock = DatabaseLock::share(&config.database.url)?;
    check_schema(&config.database.url)?;
    Ok(OpenDatabase { storage: connect(&config.storage())?, lock })
}

/// Applies the migrations that are missing; returns their names.
///
/// # Errors
/// As [`open_or_make`].
pub(crate) fn bring_up_to_date(config: &Config) -> Result<Vec<String>, CommandError> {
    make_data_dir(config)?;
    let url = config.migrate_url.as_ref().unwrap_or(&config.database.url);
    let _lock = DatabaseLock::share_or_make(url)?;
    Ok(migrate(url)?)
}

/// Takes back the migrations that follow this one; returns their names, the latest first.
///
/// # Errors
/// As [`open`], and where a server works with the file.
pub(crate) fn bring_back(config: &Config, last: &str) -> Result<Vec<String>, CommandError> {
    let url = config.migrate_url.as_ref().unwrap_or(&config.database.url);
    let _lock = url.sqlite_path().map(DatabaseLock::exclude).transpose()?;
    Ok(migrate_back(url, last)?)
}

/// Makes the folder of a database that is a file.
///
/// # Errors
/// Where the system refuses.
pub(crate) fn make_data_dir(config: &Config) -> Result<(), CommandError> {
    if config.database.url.sqlite_path().is_some() {
        let context = || format!("the data directory {} cannot be made", config.data_dir.display());
        make_private_directory(&config.data_dir).with_context(context)?;
    }
    Ok(())
}
