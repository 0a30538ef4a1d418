//! Connections: how many there may be, and the end of those on which nothing moves.
//!
//! actix-web gives a connection's first head a deadline, and an idle connection its keep-alive time. It waits for
//! ever for the rest of a later head, and for clients that do not read what they are answered. So each connection
//! has a watchdog besides, which closes it when its last answer lies so far back that both times have run out.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use actix_web::rt::task::JoinHandle;
use actix_web::rt::{self, time};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::time::Instant;

use crate::meter::Counted;

/// What connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// How many are open at once in this process; others wait until one of them is closed. An idle one takes
    /// some 25 KB and two file descriptors.
    pub most: u32,
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

    /// How many each of these workers may have.
    pub(crate) fn each_of(&self, workers: usize) -> usize {
        (self.most as usize).div_ceil(workers.max(1)).max(1)
    }
}

/// Listens on an address. As the standard library does it, but with a backlog of one's own.
///
/// # Errors
/// Where the address is taken, or not ours to take.
pub fn listen(address: SocketAddr, backlog: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // After a restart, connections of the process before may still be closing.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog.into())?;
    Ok(socket.into())
}

/// What is known of a connection, kept beside it.
pub(crate) struct Connection {
    pace: Rc<Pace>,
    watchdog: Option<JoinHandle<()>>,
    _open: Counted,
}

/// How requests follow each other on a connection.
struct Pace {
    busy: Cell<u32>,
    answered: Cell<Instant>,
}

/// A request that is being answered. Its connection is not idle until this is dropped.
pub(crate) struct Busy(Rc<Pace>);

/// Begins to watch a connection that has just been taken in.
pub(crate) fn watch(connection: &dyn Any, data: &mut Extensions, connections: Connections) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    let pace = Rc::new(Pace { busy: Cell::new(0), answered: Cell::new(Instant::now()) });
    // Where there are no file descriptors left, nothing new is taken in either: this one goes unwatched.
    let watchdog = SockRef::from(stream).try_clone().ok();
    let watchdog = watchdog.map(|socket| rt::spawn(cut_when_idle(Rc::clone(&pace), socket, connections.patience())));
    data.insert(Connection { pace, watchdog, _open: Counted::new("thunderhead_http_connections") });
}

impl Connection {
    /// Notes a request.
    pub(crate) fn begin(&self) -> Busy {
        self.pace.busy.set(self.pace.busy.get() + 1);
        Busy(Rc::clone(&self.pace))
    }
}

async fn cut_when_idle(pace: Rc<Pace>, socket: Socket, patience: Duration) {
    loop {
        let now = Instant::now();
        let end = if pace.busy.get() > 0 { now } else { pace.answered.get() } + patience;
        if end <= now {
            tracing::debug!("a connection on which nothing moved was cut");
            // Whatever is wrong with it, its end is what was wanted.
            drop(socket.shutdown(Shutdown::Both));
            return;
        }
        time::sleep_until(end).await;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get().saturating_sub(1));
        self.0.answered.set(Instant::now());
    }
}

impl Drop for Connection {
    /// The watchdog holds the socket too: with it, the connection would stay half open.
    fn drop(&mut self) {
        if let Some(watchdog) = &self.watchdog {
            watchdog.abort();
        }
    }
}
