//! Requests that come in pieces.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

use super::processor_time::ProcessorTime;
use super::summary::CostRow;
use super::texts::filled;

/// The server looks at each piece before the next one comes.
const BETWEEN: Duration = Duration::from_micros(50);

/// A request in pieces.
pub(super) struct Slow {
    address: SocketAddr,
    input: &'static str,
    text: String,
    piece: usize,
}

pub(super) fn all(address: SocketAddr) -> Vec<Slow> {
    let head = |length| {
        format!("GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: {}\r\n\r\n", filled("a", length))
    };
    let lines = |count| {
        let lines: String = (0..count).map(|number| format!("X-{number}: {}\r\n", filled("a", 600))).collect();
        format!("GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n")
    };
    let body = format!(
        "POST /api/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: 8000\r\n\r\n{}",
        " ".repeat(8_000)
    );
    let slow = |input, text, piece| Slow { address, input, text, piece };
    vec![
        slow("a head of 4 KB in single bytes", head(4_000), 1),
        slow("a head of 60 KB in pieces of 64 bytes", head(60_000), 64),
        slow("a head of 60 KB in pieces of 1 KB", head(60_000), 1_024),
        slow("80 headers in pieces of 64 bytes", lines(80), 64),
        slow("a body of 8 KB in single bytes", body, 1),
    ]
}

impl Slow {
    pub(super) fn measure(&mut self, processor: &ProcessorTime) -> Result<CostRow> {
        let before = processor.read()?;
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        for piece in self.text.as_bytes().chunks(self.piece) {
            // A server that has seen enough may hang up.
            if stream.write_all(piece).is_err() {
                break;
            }
            thunderhead_system_tests::live::pause(BETWEEN);
        }
        let mut answer = vec![];
        drop(stream.read_to_end(&mut answer));
        let status =
            answer.get(9..12).and_then(|status| str::from_utf8(status).ok()).and_then(|text| text.parse().ok());
        let mut row = CostRow::new("any".to_owned(), "anonymous");
        row.pieces = self.text.len().div_ceil(self.piece);
        row.take(self.input, processor.since(&before).context("the server is gone")?, status.unwrap_or(0));
        Ok(row)
    }
}
