//! Transactions that write.

use thunderhead_domain::ports::{ChangeResult, Stored};

use super::{Connection, Database, change_log};
use crate::error::{Attempt, OperationError, attempted, ruled};
use crate::invalidations;

impl Database {
    /// Runs a transaction that writes.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Connection) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        self.transaction(move |connection| published(connection, &work), |done| done).await
    }

    /// The same for what may be refused; a refusal undoes what the transaction has done so far.
    pub(crate) async fn decide<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Connection) -> Result<T, OperationError> + Send + 'static,
    ) -> ChangeResult<T> {
        self.transaction(move |connection| published(connection, &work), ruled).await
    }

    /// The same for what may end more sessions than were counted.
    pub(crate) async fn attempt<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Connection) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<Attempt<T>> {
        self.transaction(move |connection| published(connection, &work), attempted).await
    }
}

fn published<T>(
    connection: &mut Connection,
    work: impl Fn(&mut Connection) -> Result<T, OperationError>,
) -> Result<T, OperationError> {
    invalidations::begin();
    let done = work(connection)?;
    change_log::publish(connection)?;
    Ok(done)
}
