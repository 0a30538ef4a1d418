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

    /// The answer, if there is one before the server hangs up.
    pub(crate) fn answer(mut self) -> Option<RawAnswer> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4_096];
        loop {
            let answer = RawAnswer::parse(&String::from_utf8_lossy(&bytes));
            if answer.as_ref().is_some_and(RawAnswer::is_complete) {
                return answer;
            }
            match self.0.read(&mut buffer) {
                Ok(length @ 1..) => bytes.extend_from_slice(&buffer[..length]),
                // A connection that is reset has no more to say than what came before.
                Ok(0) | Err(_) => return answer,
            }
        }
    }
}

impl RawAnswer {
    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// Whether all of the body has come, if there is one (RFC 9112, section 6.3).
    fn is_complete(&self) -> bool {
        let is_bodiless = matches!(self.status, 204 | 304);
        is_bodiless
            || self
                .header("content-length")
                .is_some_and(|length| length.parse().is_ok_and(|length: usize| self.body.len() >= length))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether a header has this very name, capitals and all.
    pub(crate) fn has_header_named(&self, name: &str) -> bool {
        self.head.lines().any(|line| line.split_once(": ").is_some_and(|(found, _)| found == name))
    }

    /// Whether a header's name begins with a small letter.
    pub(crate) fn has_header_in_small_letters(&self) -> bool {
        self.head.lines().skip(1).any(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}
