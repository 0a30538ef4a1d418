//! Stopping without leaving a request unanswered.
//!
//! First the server says that it is not ready, so that load balancers stop sending, and closes each connection
//! with its next answer, so that clients come back elsewhere; meanwhile it goes on as before. Then it takes in no
//! more connections, and then actix-web finishes what has begun and closes the rest.

use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::sync::Notify;

#[cfg(unix)]
use crate::server::listen::SocketFile;
use crate::server::listen::{Listener, Listeners};

/// Between the last connection that is taken in and the closing of idle ones: time to send the request for which
/// it was made.
const LAST_CALL: Duration = Duration::from_millis(500);

/// Whether the server is about to stop. Clones share one answer.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<DrainState>);

#[derive(Debug, Default)]
struct DrainState {
    begun: AtomicBool,
    told: Notify,
}

impl Draining {
    /// From now on the server is about to stop.
    pub fn begin(&self) {
        self.0.begun.store(true, Ordering::SeqCst);
        self.0.told.notify_waiters();
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.0.begun.load(Ordering::SeqCst)
    }

    /// Waits until it is.
    pub(crate) async fn begun(&self) {
        let mut told = pin!(self.0.told.notified());
        // Who is told from here on is not missed.
        told.as_mut().enable();
        if !self.has_begun() {
            told.await;
        }
    }
}

/// The way to stop a server in order.
pub struct Exit {
    tcp: Vec<TcpListener>,
    /// The way to a Unix socket.
    #[cfg(unix)]
    file: Option<SocketFile>,
    draining: Draining,
}

impl Exit {
    /// For the server that is going to listen here. With this goes the file of a Unix socket.
    ///
    /// # Errors
    /// Where there are no file descriptors left.
    pub fn of(listeners: &mut Listeners, draining: Draining) -> std::io::Result<Self> {
        let tcp = |listener: &Listener| match listener {
            Listener::Tcp(listener) => Some(listener.try_clone()),
            #[cfg(unix)]
            Listener::Unix(_) => None,
        };
        let tcp = listeners.sockets.iter().filter_map(tcp).collect::<std::io::Result<_>>()?;
        Ok(Self {
            tcp,
            #[cfg(unix)]
            file: listeners.file.take(),
            draining,
        })
    }

    /// Stops the server; ends when it has stopped. `drain` is how long it still serves everybody.
    pub async fn leave(mut self, server: ServerHandle, drain: Duration) {
        self.draining.begin();
        tokio::time::sleep(drain).await;
        if self.stop_accepting() {
            tokio::time::sleep(LAST_CALL).await;
        }
        self.tcp.clear();
        server.stop(true).await;
    }
}

impl Exit {
    /// Whether those who wait to be taken in are still let in, and nobody else.
    fn stop_accepting(&mut self) -> bool {
        let stopped = self.tcp.iter().filter(|listener| stop_accepting(*listener)).count();
        #[cfg(unix)]
        if let Some(file) = &mut self.file {
            file.remove();
            return true;
        }
        stopped > 0
    }
}

/// Lets nobody in any more who has not begun to knock. To close the socket would reset those who wait, with the
/// requests that they have sent. A filter that drops whatever opens a connection (SYN, RFC 9293, section 3.1) leaves
/// them be, and lets those finish who are in the middle of the handshake: to them the connection may be open already.
/// Who knocks now is refused a moment later, when the socket is closed.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn stop_accepting(listener: &impl std::os::fd::AsFd) -> bool {
    use socket2::SockFilter;
    /// `BPF_LD | BPF_B | BPF_ABS`: load this byte of the packet. Filters of TCP sockets see it from its TCP header on.
    const LOAD: u16 = 0x30;
    /// `BPF_JMP | BPF_JSET | BPF_K`: is any of these bits set?
    const HAS: u16 = 0x45;
    /// `BPF_RET | BPF_K`: keep so many bytes of the packet.
    const RETURN: u16 = 0x06;
    /// Where the flags are.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    let filter = [
        SockFilter::new(LOAD, 0, 0, FLAGS),
        SockFilter::new(HAS, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    let attached = socket2::SockRef::from(listener).attach_filter(&filter);
    if let Err(error) = &attached {
        tracing::debug!(%error, "connections that come while the server stops may be reset");
    }
    attached.is_ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn stop_accepting(_: &TcpListener) -> bool {
    false
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_listener_that_stops_accepting_drops_newcomers_and_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut outside = TcpStream::connect(address).unwrap();
        assert!(stop_accepting(&listener));
        assert!(TcpStream::connect_timeout(&address, Duration::from_millis(50)).is_err());
        // Connections whose handshake ends after that have the filter.
        let (mut inside, _) = listener.accept().unwrap();
        assert!(stop_accepting(&inside));
        outside.write_all(b"hello").unwrap();
        inside.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut heard = [0; 5];
        inside.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
    }
}
