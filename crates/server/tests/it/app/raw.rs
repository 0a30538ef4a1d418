//! A connection for requests that no client library would send.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::Value;

use super::PATIENCE;

/// A bare connection to the server.
pub(crate) struct RawConnection(TcpStream);

/// A response as it came over the wire.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    head: String,
    body: String,
}

impl RawConnection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        Self(stream)
    }

    /// Sends bytes as they are. The server may hang up before all is sent: its answer is what matters.
    #[must_use]
    pub(crate) fn send(mut self, request: &[u8]) -> Self {
        drop(self.0.write_all(request));
        self
    }

    /// Says that nothing more will come, whatever was announced.
    #[must_use]
    pub(crate) fn hang_up(self) -> Self {
        drop(self.0.shutdown(Shutdown::Write));
        self
    }

    /// The answer to a request that asked for the connection to be closed, if there is one.
    pub(crate) fn answer(mut self) -> Option<RawAnswer> {
        let mut bytes = Vec::new();
        // A connection that is reset has no more to say than what came before.
        drop(self.0.read_to_end(&mut bytes));
        RawAnswer::parse(&String::from_utf8_lossy(&bytes))
    }
}

impl RawAnswer {
    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, head: head.to_owned(), body: body.to_owned() })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|fault| panic!("no JSON ({fault}): {self:?}"))
    }
}
