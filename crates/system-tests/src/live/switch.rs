//! An address that leads to one server or to another, as that of a load balancer does.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// How long a server may take to take a connection.
const CONNECT: Duration = Duration::from_secs(1);

/// Where new connections go: ports of the loopback address.
#[derive(Clone, Copy, Debug)]
pub enum Destination {
    Nowhere,
    To(u16),
    Alternately(u16, u16),
}

/// The address. Dropping it ends all connections; the listener goes with the process.
pub struct Switch {
    port: u16,
    state: Arc<State>,
}

struct State {
    destination: Mutex<Destination>,
    /// Both sides of what is open.
    open: Mutex<HashMap<u64, [TcpStream; 2]>>,
    taken: AtomicU64,
}

impl Switch {
    pub fn to(destination: Destination) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")?;
        let port = listener.local_addr()?.port();
        let state = State { destination: Mutex::new(destination), open: Mutex::default(), taken: AtomicU64::new(0) };
        let state = Arc::new(state);
        let switch = Self { port, state: Arc::clone(&state) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                thread::spawn(move || state.connect(client));
            }
        });
        Ok(switch)
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Leads new connections there. Those that are open stay where they are.
    pub fn lead(&self, destination: Destination) {
        *held(&self.state.destination) = destination;
    }

    pub fn cut(&self) {
        for (_, sides) in held(&self.state.open).drain() {
            end(&sides);
        }
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.lead(Destination::Nowhere);
        self.cut();
    }
}

impl State {
    /// Joins a client to a server, until either hangs up. Where there is none, the client is hung up on.
    fn connect(&self, client: TcpStream) {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let port = match *held(&self.destination) {
            Destination::Nowhere => return,
            Destination::To(port) => port,
            Destination::Alternately(even, odd) => {
                if number.is_multiple_of(2) {
                    even
                } else {
                    odd
                }
            }
        };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let Ok(server) = TcpStream::connect_timeout(&address, CONNECT) else { return };
        if self.join(number, client, server).is_err() {
            eprintln!("  a connection could not be passed on");
        }
    }

    fn join(&self, number: u64, client: TcpStream, server: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let kept = [client.try_clone()?, server.try_clone()?];
        held(&self.open).insert(number, kept);
        thread::scope(|scope| {
            scope.spawn(|| pass(&client, &server));
            pass(&server, &client);
        });
        held(&self.open).remove(&number);
        Ok(())
    }
}

/// Passes on what comes, and the end of it.
fn pass(from: &TcpStream, to: &TcpStream) {
    // However it fails, it is over.
    drop(io::copy(&mut &*from, &mut &*to));
    for side in [from, to] {
        drop(side.shutdown(Shutdown::Both));
    }
}

fn end(sides: &[TcpStream; 2]) {
    for side in sides {
        // It may have ended by itself.
        drop(side.shutdown(Shutdown::Both));
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
