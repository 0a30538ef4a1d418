//! Opening the database that the settings name, with a schema that fits this program.

use std::sync::Arc;

use anyhow::Context;
use thunderhead_domain::ports::Storage;
use thunderhead_storage::{check_schema, connect, migrate};

use crate::config::Config;
use crate::failure::Failure;
use crate::key_file::make_private_directory;

/// Opens the database; makes it where there is none, and brings the schema up to date where the settings say so.
///
/// # Errors
/// [`Failure::DatabaseAway`] where it cannot be reached.
pub(crate) fn open_or_make(config: &Config) -> Result<Arc<dyn Storage>, Failure> {
    if config.migrate_on_start {
        bring_up_to_date(config)?;
        return Ok(connect(&config.database)?);
    }
    open(config)
}

/// Opens a database that is there: asking about a user in the wrong directory must not make a new file.
///
/// # Errors
/// As [`open_or_make`], and [`Failure::Refused`] where the schema is not this program's.
pub(crate) fn open(config: &Config) -> Result<Arc<dyn Storage>, Failure> {
    check_schema(&config.database.url)?;
    Ok(connect(&config.database)?)
}

/// Applies the migrations that are missing; returns their names.
///
/// # Errors
/// As [`open_or_make`].
pub(crate) fn bring_up_to_date(config: &Config) -> Result<Vec<String>, Failure> {
    if config.database.url.sqlite_path().is_some() {
        let context = || format!("the data directory {} cannot be made", config.data_dir.display());
        make_private_directory(&config.data_dir).with_context(context)?;
    }
    Ok(migrate(config.migrate_url.as_ref().unwrap_or(&config.database.url))?)
}
