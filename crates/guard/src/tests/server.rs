//! A session server that says what the test tells it to say.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::testing::introspection;

/// How the server answers a question about a token.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Json(Value),
    /// A status and a body.
    Status(u16, String),
    /// As it is, and then it hangs up.
    Raw(Vec<u8>),
    /// Never.
    Hang,
}

#[derive(Default)]
struct State {
    /// By token; of the others nothing is known.
    replies: HashMap<String, Reply>,
    /// Tokens whose questions wait, once the reply is settled, until they are let go.
    held: Vec<String>,
    asked: Vec<String>,
    at_work: usize,
    most_at_work: usize,
    /// What the feed says next: a status and a body each.
    pages: Vec<(u16, Value)>,
    /// Paths of the feed that were asked for.
    feed_asked: Vec<String>,
    over: bool,
}

#[derive(Clone)]
pub(super) struct FakeServer {
    pub(super) address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl FakeServer {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.state().over {
                    return;
                }
                let serving = serving.clone();
                thread::spawn(move || serving.serve(stream.unwrap()));
            }
        });
        server
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on this is what it says of a token.
    pub(super) fn say(&self, token: &str, reply: Reply) {
        self.state().replies.insert(token.to_owned(), reply);
    }

    /// From now on the token has a session that may do this.
    pub(super) fn grant(&self, token: &str, scope: &str) {
        self.say(token, Reply::Json(introspection(scope)));
    }

    pub(super) fn end(&self, token: &str) {
        self.state().replies.remove(token);
    }

    /// Questions about it are not answered until they are let go; what is answered is settled when they come.
    pub(super) fn hold(&self, token: &str) {
        self.state().held.push(token.to_owned());
    }

    pub(super) fn let_go(&self) {
        self.state().held.clear();
        self.state.1.notify_all();
    }

    /// How often it was asked about a token.
    pub(super) fn asked(&self, token: &str) -> usize {
        self.state().asked.iter().filter(|asked| *asked == token).count()
    }

    pub(super) fn most_at_work(&self) -> usize {
        self.state().most_at_work
    }

    /// The feed answers somebody so, once.
    pub(super) fn tell(&self, status: u16, body: Value) {
        self.state().pages.push((status, body));
        self.state.1.notify_all();
    }

    /// The feed tells of this.
    pub(super) fn tell_of(&self, kind: &str, data: &Value) {
        self.tell(200, json!({"items": [{"id": "1", "type": kind, "at": "x", "data": data}], "next": "later"}));
    }

    pub(super) fn feed_asked(&self) -> Vec<String> {
        self.state().feed_asked.clone()
    }

    /// New connections are refused, and the open ones end.
    pub(super) fn go_away(&self) {
        self.state().over = true;
        self.state.1.notify_all();
        // Its listener looks up.
        drop(TcpStream::connect(self.address));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }

    /// Until the other side hangs up.
    fn serve(&self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut reader = BufReader::new(stream);
        while let Ok((path, body)) = read(&mut reader) {
            let reply = if path.starts_with("/events") { self.event_page(&path) } else { self.answer(&body) };
            let stream = reader.get_mut();
            let written = match reply {
                Reply::Json(body) => write(stream, 200, &body.to_string()),
                Reply::Status(status, body) => write(stream, status, &body),
                Reply::Raw(bytes) => stream.write_all(&bytes).and(Err(io::Error::other("the end"))),
                Reply::Hang => {
                    let state = self.state();
                    drop(self.state.1.wait_while(state, |state| !state.over).unwrap());
                    return;
                }
            };
            if written.is_err() || self.state().over {
                return;
            }
        }
    }

    fn answer(&self, form: &str) -> Reply {
        let token = form.strip_prefix("token=").unwrap().to_owned();
        let mut state = self.state();
        state.at_work += 1;
        state.most_at_work = state.most_at_work.max(state.at_work);
        state.asked.push(token.clone());
        let reply = state.replies.get(&token).cloned().unwrap_or(Reply::Json(json!({"active": false})));
        let held = |state: &mut State| !state.over && state.held.contains(&token);
        state = self.state.1.wait_while(state, held).unwrap();
        state.at_work -= 1;
        reply
    }

    /// What the test says, or nothing after a moment.
    fn event_page(&self, path: &str) -> Reply {
        let mut state = self.state();
        state.feed_asked.push(path.to_owned());
        if path.contains("after=latest") {
            return Reply::Json(json!({"items": [], "next": "now"}));
        }
        let nothing = |state: &mut State| !state.over && state.pages.is_empty();
        state = self.state.1.wait_timeout_while(state, Duration::from_millis(200), nothing).unwrap().0;
        if state.pages.is_empty() {
            return Reply::Json(json!({"items": [], "next": "now"}));
        }
        let (status, body) = state.pages.remove(0);
        Reply::Status(status, body.to_string())
    }
}

/// The path and the body of a request.
fn read(reader: &mut BufReader<TcpStream>) -> io::Result<(String, String)> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let path = line.split(' ').nth(1).unwrap().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim_end().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if let Some(value) = header.strip_prefix("authorization: ") {
            // uploads:thk_a-b, escaped.
            assert_eq!(value, "basic dxbsb2fkczp0agslnuzhjtjeyg==");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((path, String::from_utf8(body).unwrap()))
}

fn write(stream: &mut TcpStream, status: u16, body: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status} x\r\nLocation: /\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes())
}
