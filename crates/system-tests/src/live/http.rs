//! A small HTTP/1.1 client: one connection that is kept while both sides want it.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long an answer is waited for, unless a client is told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// With a `Transfer-Encoding` it is sent as it is, else with its length.
    pub body: Option<String>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: vec![], body: None }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn token(self, token: &str) -> Self {
        self.header("Authorization", token)
    }

    pub fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string());
        self.header("Content-Type", "application/json")
    }

    fn head(&self, address: SocketAddr) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {address}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let is_in_chunks = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
        if let Some(body) = self.body.as_ref().filter(|_| !is_in_chunks) {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head + "\r\n"
    }
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// From the first byte that was sent to the last that came.
    pub took: Duration,
}

impl Answer {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_of(name).next()
    }

    pub fn headers_of(&self, name: &str) -> impl Iterator<Item = &str> {
        let same = move |header: &&(String, String)| header.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|(_, value)| value.as_str())
    }

    /// A member of the JSON object in the body; null where there is none.
    pub fn member(&self, name: &str) -> Value {
        serde_json::from_str::<Value>(&self.body).map(|body| body[name].clone()).unwrap_or_default()
    }

    /// A text in the JSON object in the body; empty where there is none.
    pub fn text(&self, name: &str) -> String {
        self.member(name).as_str().unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.body)
    }
}

#[derive(Debug)]
pub enum NoAnswer {
    /// Nobody took the connection: nothing was asked.
    NotConnected,
    /// It was sent, and nothing whole came back.
    Lost(io::Error),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("no connection"),
            Self::Lost(error) => write!(f, "no answer: {error}"),
        }
    }
}

impl std::error::Error for NoAnswer {}

pub struct Client {
    address: SocketAddr,
    patience: Duration,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, patience: PATIENCE, connection: None }
    }

    /// One that gives up on an answer after this time.
    pub fn patient_for(address: SocketAddr, patience: Duration) -> Self {
        Self { patience, ..Self::new(address) }
    }

    /// Asks, and waits for the whole answer. Nothing is asked twice.
    ///
    /// # Errors
    /// [`NoAnswer`]
    pub fn ask(&mut self, request: &Request) -> Result<Answer, NoAnswer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().map_err(|_| NoAnswer::NotConnected)?,
        };
        let answer = exchange(&mut connection, self.address, request).map_err(NoAnswer::Lost)?;
        let closes = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        self.connection = (!closes).then_some(connection);
        Ok(answer)
    }

    /// Sends bytes over a connection that is no HTTP any more, and returns as many that come back.
    pub fn echo(&mut self, text: &str) -> Option<String> {
        let connection = self.connection.as_mut()?;
        connection.get_mut().write_all(text.as_bytes()).ok()?;
        String::from_utf8(exactly(connection, text.len()).ok()?).ok()
    }

    /// The connection of the last request, for something that is no HTTP any more.
    pub fn into_connection(self) -> Option<BufReader<TcpStream>> {
        self.connection
    }

    /// Whether the next request goes over the connection of the last one.
    pub const fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// The next request goes over a new connection.
    pub fn hang_up(&mut self) {
        self.connection = None;
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect_timeout(&self.address, self.patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        Ok(BufReader::new(stream))
    }
}

fn exchange(connection: &mut BufReader<TcpStream>, address: SocketAddr, request: &Request) -> io::Result<Answer> {
    let begun = Instant::now();
    let bytes = request.head(address) + request.body.as_deref().unwrap_or_default();
    connection.get_mut().write_all(bytes.as_bytes())?;
    let mut answer = read(connection, request.method == "HEAD")?;
    answer.took = begun.elapsed();
    Ok(answer)
}

/// RFC 9112, as far as the servers under test speak it.
fn read(stream: &mut impl BufRead, bodiless: bool) -> io::Result<Answer> {
    let status_line = line(stream)?;
    let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| malformed(&status_line))?;
    let mut headers = vec![];
    loop {
        let line = line(stream)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed(&line))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: String::new(), took: Duration::ZERO };
    if bodiless || matches!(status, 101 | 204 | 304) {
        return Ok(answer);
    }
    let chunked = answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let length = answer.header("content-length").and_then(|length| length.parse().ok());
    let body = match length {
        _ if chunked => chunks(stream)?,
        Some(length) => exactly(stream, length)?,
        None => {
            let mut body = vec![];
            stream.read_to_end(&mut body)?;
            body
        }
    };
    answer.body = String::from_utf8(body).map_err(|_| malformed("a body that is no text"))?;
    Ok(answer)
}

pub fn chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = vec![];
    loop {
        let size = line(stream)?;
        let size = usize::from_str_radix(&size, 16).map_err(|_| malformed(&size))?;
        body.extend(exactly(stream, size)?);
        line(stream)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

pub fn exactly(stream: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// One line without its end; no end is an error.
pub fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let whole = line.strip_suffix("\r\n").map(str::to_owned);
    whole.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Option<Answer> {
        read(&mut text.as_bytes(), false).ok()
    }

    #[test]
    fn answers_are_read_by_their_length_in_chunks_or_to_the_end() {
        let sized = answer("HTTP/1.1 200 OK\r\nContent-Length: 13\r\nA: b\r\n\r\n{\"token\":\"x\"}rest").unwrap();
        assert_eq!((sized.status, sized.header("a"), sized.text("token").as_str()), (200, Some("b"), "x"));
        let chunked = answer("HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
        assert_eq!(chunked.unwrap().to_string(), "401 abc");
        assert_eq!(answer("HTTP/1.1 500 Bad\r\n\r\nto the end").unwrap().body, "to the end");
        assert_eq!(answer("HTTP/1.1 204 None\r\n\r\n").unwrap().body, "");
    }

    #[test]
    fn an_answer_that_breaks_off_is_none() {
        for text in ["", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nA: b", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"]
        {
            assert!(answer(text).is_none(), "{text:?}");
        }
    }
}
