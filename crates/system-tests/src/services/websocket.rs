//! As much of RFC 6455 as a client needs who says something and listens.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail};

use thunderhead_system_tests::live::http::{Client, Request, exactly};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;

pub(super) struct WebSocket(BufReader<TcpStream>);

impl WebSocket {
    /// Shows a token in the handshake.
    pub(super) fn open(address: SocketAddr, token: &str) -> Result<Self> {
        let mut client = Client::new(address);
        let handshake = Request::new("GET", "/")
            .header("Authorization", &format!("Bearer {token}"))
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        let answer = client.ask(&handshake)?;
        if answer.status != 101 {
            bail!("no websocket: {answer}");
        }
        client.into_connection().map(Self).context("no connection")
    }

    /// Says something short, and hears it back.
    pub(super) fn echo(&mut self, text: &str) -> Result<()> {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).context("too long")?;
        // Clients mask what they send; this mask changes nothing.
        let mut frame = vec![0x80 | TEXT, 0x80 | length, 0, 0, 0, 0];
        frame.extend(text.as_bytes());
        self.0.get_mut().write_all(&frame)?;
        match self.frame()? {
            (TEXT, heard) if heard == text.as_bytes() => Ok(()),
            (kind, heard) => bail!("{text:?} came back as {kind} {}", String::from_utf8_lossy(&heard)),
        }
    }

    /// Waits until the other side closes, and returns why.
    pub(super) fn close_code(&mut self) -> Result<u16> {
        match self.frame()? {
            (CLOSE, reason) => match reason[..] {
                [high, low, ..] => Ok(u16::from_be_bytes([high, low])),
                _ => bail!("closed without a reason"),
            },
            (kind, _) => bail!("a frame {kind} where a close was expected"),
        }
    }

    /// What comes next: its kind and what is in it.
    fn frame(&mut self) -> Result<(u8, Vec<u8>)> {
        let [first, length] = exactly(&mut self.0, 2)?[..] else { bail!("no frame") };
        if length >= 126 {
            bail!("a frame that is longer than any here");
        }
        Ok((first & 0x0f, exactly(&mut self.0, length.into())?))
    }
}
