//! What a manager of clusters answers a load balancer that asks whether a node has the primary.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// How long whoever asks may take for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers every request: 200 where the node leads, else 503. The listener goes with the process.
pub(in super::super) struct Health {
    pub(in super::super) port: u16,
    leads: Arc<AtomicBool>,
}

impl Health {
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")?;
        let port = listener.local_addr()?.port();
        let leads = Arc::new(AtomicBool::new(false));
        let state = Arc::clone(&leads);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Whoever hangs up has no use for the answer.
                drop(answer(&client, state.load(Ordering::Relaxed)));
            }
        });
        Ok(Self { port, leads })
    }

    pub(super) fn leads(&self, leads: bool) {
        self.leads.store(leads, Ordering::Relaxed);
    }
}

fn answer(mut client: &TcpStream, leads: bool) -> std::io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(client).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let status = if leads { "200 OK" } else { "503 Service Unavailable" };
    write!(client, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
