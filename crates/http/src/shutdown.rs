//! Stopping without leaving a request unanswered.
//!
//! First the server says that it is not ready, so that load balancers stop sending, and closes each connection
//! with its next answer, so that clients come back elsewhere; meanwhile it goes on as before. Then it takes in no
//! more connections, and then actix-web finishes what has begun and closes the rest.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;

/// Between the last connection that is taken in and the closing of idle ones: time to send the request for which
/// it was made.
const LAST_CALL: Duration = Duration::from_millis(500);

/// Whether the server is about to stop. Clones share one answer.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The way to stop a server in order.
pub struct Exit {
    door: TcpListener,
    draining: Draining,
}

impl Exit {
    /// For the server that is going to listen here.
    ///
    /// # Errors
    /// Where there are no file descriptors left.
    pub fn of(listener: &TcpListener, draining: Draining) -> std::io::Result<Self> {
        Ok(Self { door: listener.try_clone()?, draining })
    }

    /// Stops the server; ends when it has stopped. `drain` is how long it still serves everybody.
    pub async fn leave(self, server: ServerHandle, drain: Duration) {
        self.draining.begin();
        tokio::time::sleep(drain).await;
        if shut(&self.door) {
            tokio::time::sleep(LAST_CALL).await;
        }
        drop(self.door);
        server.stop(true).await;
    }
}

/// Lets nobody in any more who is not already waiting. To close the socket would reset those who wait, with the
/// requests that they have sent; a filter that drops everything leaves them be. Who knocks now is refused a
/// moment later, when the socket is closed.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn shut(door: &TcpListener) -> bool {
    /// `BPF_RET | BPF_K`: keep so many bytes of the packet, namely none.
    const RETURN: u16 = 0x06;
    let nothing = socket2::SockFilter::new(RETURN, 0, 0, 0);
    let attached = socket2::SockRef::from(door).attach_filter(&[nothing]);
    if let Err(error) = &attached {
        tracing::debug!(%error, "connections that come while the server stops may be reset");
    }
    attached.is_ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn shut(_: &TcpListener) -> bool {
    false
}
