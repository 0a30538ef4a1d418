//! A service behind a proxy: it answers with what it was asked.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use thunderhead_system_tests::live::http::{chunks, exactly, line};

/// What it sets with each answer.
pub(super) const COOKIES: [&str; 2] = ["one=1; Path=/", "two=2; HttpOnly"];
/// Where it fails by itself, and what it says then.
pub(super) const FAILING: &str = "/failing";
pub(super) const FAILURE: &str = "its own trouble";

/// How long a client may be silent.
const LONGEST: Duration = Duration::from_secs(20);
/// The answer to the key of the handshake that is in RFC 6455, section 1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The service. It lives as long as the process.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    asked: Arc<AtomicU64>,
}

impl Upstream {
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let asked = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                thread::spawn(move || {
                    if let Err(error) = answer(stream, &counter) {
                        eprintln!("  the service: {error}");
                    }
                });
            }
        });
        Ok(Self { address, asked })
    }

    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// One request on each connection.
fn answer(stream: TcpStream, asked: &AtomicU64) -> io::Result<()> {
    stream.set_read_timeout(Some(LONGEST))?;
    let mut stream = BufReader::new(stream);
    let request_line = match line(&mut stream) {
        Ok(line) => line,
        // A connection that a proxy keeps in reserve, or looks whether the service is there by.
        Err(_) => return Ok(()),
    };
    asked.fetch_add(1, Ordering::Relaxed);
    let mut headers = vec![];
    loop {
        let line = line(&mut stream)?;
        match line.split_once(':') {
            Some((name, value)) => headers.push((name.to_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let header = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    if header("upgrade").is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket")) {
        return echo(&mut stream);
    }
    let body = match header("content-length").and_then(|length| length.parse().ok()) {
        Some(length) => exactly(&mut stream, length)?,
        None if header("transfer-encoding").is_some() => chunks(&mut stream)?,
        None => vec![],
    };
    let mut words = request_line.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, text) = if path == FAILING {
        ("500 Internal Server Error", FAILURE.to_owned())
    } else {
        let body = String::from_utf8_lossy(&body);
        ("200 OK", json!({"method": method, "path": path, "headers": headers, "body": body}).to_string())
    };
    let cookies = COOKIES.map(|cookie| format!("Set-Cookie: {cookie}\r\n")).concat();
    let head = format!("HTTP/1.1 {status}\r\n{cookies}Content-Length: {}\r\nConnection: close\r\n\r\n", text.len());
    stream.get_mut().write_all(head.as_bytes())?;
    if method != "HEAD" {
        stream.get_mut().write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Takes the upgrade, and sends back once what comes.
fn echo(stream: &mut BufReader<TcpStream>) -> io::Result<()> {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    stream.get_mut().write_all(format!("{head}Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n").as_bytes())?;
    let mut bytes = [0; 64];
    let length = stream.read(&mut bytes)?;
    stream.get_mut().write_all(bytes.get(..length).unwrap_or_default())
}
