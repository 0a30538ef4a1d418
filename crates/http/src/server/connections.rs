//! Connections: how many there may be, and the end of those on which nothing moves.
//!
//! A client may have a part of them, so that nobody keeps others out, and where there are as many as there may be, the
//! one that has been idle for longest makes room for a newcomer ([`registry`]).
//!
//! actix-web gives a connection's first head a deadline, and an idle connection its keep-alive time. It waits for
//! ever for the rest of a later head, and for clients that do not read what they are answered. So each connection
//! has a watchdog besides, which closes it when its last answer lies so far back that both times have run out.

pub(crate) mod registry;

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use actix_web::rt::task::JoinHandle;
use actix_web::rt::{self, time};
use socket2::{SockRef, Socket};
use thunderhead_metrics::InFlight;
use tokio::time::Instant;

use self::registry::{Registry, Tenant};
use crate::metrics;

/// What connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// How many are open at once in this process. An idle one takes some 25 KB and two file descriptors, and makes room
    /// for another; where none is idle, newcomers wait.
    pub most: u32,
    /// How many of them one client may have that is no trusted proxy.
    pub most_of_client: u32,
    /// How many may wait to be taken in, as far as the system allows (`net.core.somaxconn` on Linux).
    pub backlog: u16,
    /// How long a client may take to send a request's head.
    pub head_deadline: Duration,
    /// How long an idle one is kept.
    pub keep_alive: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            most: 4_096,
            most_of_client: 512,
            backlog: 1_024,
            head_deadline: Duration::from_secs(10),
            // More than the proxies in front keep theirs (nginx and Caddy: 60 s or less), so that it is they who close.
            keep_alive: Duration::from_secs(75),
        }
    }
}

impl Connections {
    /// How long a connection is kept after its last answer, whatever it does but send a whole head.
    fn patience(&self) -> Duration {
        self.keep_alive + self.head_deadline
    }

    /// How many file descriptors all of them take.
    pub fn descriptors(&self) -> u64 {
        u64::from(self.most) * 2
    }

    /// How many each of these workers may have: one more than its part, so that a newcomer is taken in before another
    /// one goes.
    pub(crate) fn each_of(&self, workers: usize) -> usize {
        (self.most as usize).div_ceil(workers.max(1)).max(1) + 1
    }
}

/// What is known of a connection, kept beside it.
pub(crate) struct Connection {
    registry: Arc<Registry>,
    /// Where there were no file descriptors left, nothing is known of it.
    watched: Option<(Arc<Tenant>, JoinHandle<()>)>,
    _open: InFlight,
}

/// A request that is being answered. Its connection is not idle until this is dropped.
pub(crate) struct Busy(Option<Arc<Tenant>>);

/// The connection has been given up: an answer would not be read.
pub(crate) struct Gone;

/// Begins to watch a connection that has just been taken in.
pub(crate) fn watch(connection: &dyn Any, data: &mut Extensions, registry: &Arc<Registry>, connections: Connections) {
    let watched = socket_and_peer(connection).map(|(socket, peer)| {
        let tenant = registry.enter(peer, socket);
        (Arc::clone(&tenant), rt::spawn(cut_when_idle(tenant, connections.patience())))
    });
    let registry = Arc::clone(registry);
    data.insert(Connection { registry, watched, _open: metrics::open_connection() });
}

/// Another handle of the connection's socket, and the address at its other end, where it has one.
fn socket_and_peer(connection: &dyn Any) -> Option<(Socket, Option<IpAddr>)> {
    #[cfg(unix)]
    if let Some(stream) = connection.downcast_ref::<rt::net::UnixStream>() {
        return Some((SockRef::from(stream).try_clone().ok()?, None));
    }
    let stream = connection.downcast_ref::<TcpStream>()?;
    Some((SockRef::from(stream).try_clone().ok()?, stream.peer_addr().ok().map(|peer| peer.ip())))
}

impl Connection {
    /// Notes a request.
    ///
    /// # Errors
    /// Where it must not be answered any more.
    pub(crate) fn begin(&self) -> Result<Busy, Gone> {
        match &self.watched {
            None => Ok(Busy(None)),
            Some((tenant, _)) if tenant.begin() => Ok(Busy(Some(Arc::clone(tenant)))),
            Some(_) => Err(Gone),
        }
    }

    /// Whether this connection is to end with its next answer, because there are too many.
    pub(crate) fn makes_room(&self) -> bool {
        self.registry.is_crowded()
    }
}

async fn cut_when_idle(tenant: Arc<Tenant>, patience: Duration) {
    loop {
        let now = Instant::now();
        let end = tenant.idle_since().unwrap_or(now) + patience;
        if end <= now {
            tracing::debug!("a connection on which nothing moved was cut");
            tenant.cut();
            return;
        }
        time::sleep_until(end).await;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(tenant) = &self.0 {
            tenant.end();
        }
    }
}

impl Drop for Connection {
    /// The watchdog holds the socket too: with it, the connection would stay half open.
    fn drop(&mut self) {
        if let Some((tenant, watchdog)) = &self.watched {
            watchdog.abort();
            self.registry.leave(tenant);
        }
    }
}
