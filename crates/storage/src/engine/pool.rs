//! The pool of connections: diesel's r2d2 adapter, but a connection that failed for any other reason than the
//! statement itself is not used again.

use std::thread;
use std::time::Duration;

use diesel::ConnectionResult;
use diesel::r2d2::{Error, R2D2Connection};
use r2d2::{HandleError, ManageConnection};
use thunderhead_domain::ports::PoolStatus;

use crate::engine::metrics::connection_faults;
use crate::error::OperationError;

/// Idle connections are let go of after this long.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// Connections are replaced after this long, so that a load balancer behind the address can spread them anew.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

pub(crate) type Pool<C> = r2d2::Pool<Manager<C>>;

/// Makes connections, each set up for its first use.
pub(crate) struct Manager<C>(Box<dyn Fn() -> ConnectionResult<C> + Send + Sync>);

pub(crate) struct Slot<C> {
    connection: C,
    usable: bool,
}

impl<C> Slot<C> {
    /// Runs `work`, and caches whether the connection can be trusted afterwards. After a panic it cannot.
    pub(crate) fn run<T>(
        &mut self,
        work: impl FnOnce(&mut C) -> Result<T, OperationError>,
    ) -> Result<T, OperationError> {
        self.lend(|connection| {
            let result = work(connection);
            let usable = !result.as_ref().is_err_and(OperationError::is_outage);
            (result, usable)
        })
    }

    /// The same for work that says itself whether the connection can be trusted.
    pub(crate) fn lend<T>(&mut self, work: impl FnOnce(&mut C) -> (T, bool)) -> T {
        self.usable = false;
        let (result, usable) = work(&mut self.connection);
        self.usable = usable;
        result
    }
}

impl<C> Manager<C> {
    pub(crate) fn new(open: impl Fn() -> ConnectionResult<C> + Send + Sync + 'static) -> Self {
        Self(Box::new(open))
    }
}

impl<C: R2D2Connection + Send + 'static> ManageConnection for Manager<C> {
    type Connection = Slot<C>;
    type Error = Error;

    fn connect(&self) -> Result<Slot<C>, Error> {
        let connection = (self.0)().map_err(Error::ConnectionError)?;
        Ok(Slot { connection, usable: true })
    }

    fn is_valid(&self, slot: &mut Slot<C>) -> Result<(), Error> {
        slot.connection.ping().map_err(Error::QueryError)
    }

    fn has_broken(&self, slot: &mut Slot<C>) -> bool {
        !slot.usable || thread::panicking() || slot.connection.is_broken()
    }
}

/// r2d2 retries by itself; the operator should hear of it all the same.
#[derive(Debug)]
struct Report;

impl HandleError<Error> for Report {
    fn handle_error(&self, error: Error) {
        connection_faults().increment(1);
        tracing::warn!(%error, "a connection to the database could not be made");
    }
}

/// A pool that connects when there is something to do: the server can start while the database is away. It does
/// not test connections before use, which would cost a round trip each time; [`Slot::run`] sees to dead ones.
pub(crate) fn build<C: R2D2Connection + Send + 'static>(
    manager: Manager<C>,
    connections: u32,
    wait: Duration,
) -> Pool<C> {
    r2d2::Pool::builder()
        .max_size(connections)
        .min_idle(Some(0))
        .test_on_check_out(false)
        .idle_timeout(Some(IDLE))
        .max_lifetime(Some(LIFETIME))
        .connection_timeout(wait)
        .error_handler(Box::new(Report))
        .build_unchecked(manager)
}

pub(crate) fn status<C: R2D2Connection + Send + 'static>(name: &'static str, pool: &Pool<C>) -> PoolStatus {
    let state = pool.state();
    let busy = state.connections.saturating_sub(state.idle_connections);
    PoolStatus { name, busy, open: state.connections, most: pool.max_size() }
}
