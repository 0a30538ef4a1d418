//! Opening the storage: the choice between the engines.

use std::sync::Arc;

use thunderhead_domain::ports::Storage;

use crate::engine::postgres::Postgres;
use crate::engine::sqlite::Sqlite;
use crate::settings::{ConnectError, StorageSettings};
use crate::url::DatabaseTarget;

/// Opens the storage. Connections are made when they are needed, so a Postgres server need not be there yet;
/// dropping the handle closes them and stops the threads.
pub fn connect(settings: &StorageSettings) -> Result<Arc<dyn Storage>, ConnectError> {
    if settings.connections == 0 || settings.deadline.is_zero() {
        return Err(ConnectError::Nothing);
    }
    match &settings.url.0 {
        DatabaseTarget::Sqlite(path) => Ok(Arc::new(Sqlite::start(path, settings)?)),
        DatabaseTarget::Postgres(url) => Ok(Arc::new(Postgres::start(url, settings)?)),
    }
}
