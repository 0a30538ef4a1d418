//! The page of the browser's test, at an origin of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result};

/// The page: its functions are the steps of `security_keys`.
pub(super) const HTML: &str = include_str!("test_page.html");

/// The page on a port of its own, as long as this process lives.
pub(super) struct TestPage {
    /// `http://localhost:…`: browsers let security keys be used there without TLS.
    pub(super) origin: String,
}

impl TestPage {
    /// Serves the page, whatever is asked for.
    pub(super) fn serve() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for the page")?;
        let origin = format!("http://localhost:{}", listener.local_addr()?.port());
        // A browser opens connections that it may never use: each has a thread.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || answer(stream));
            }
        });
        Ok(Self { origin })
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let length = HTML.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n")?;
    write!(stream, "Connection: close\r\n\r\n{HTML}")
}
