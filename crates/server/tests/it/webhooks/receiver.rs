//! An endpoint: it notes what it is sent, and answers as it is told.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver as Channel, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

/// What does not arrive by then does not arrive. Busy machines are slow, so it is long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Something that was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Post {
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) timestamp: String,
    pub(crate) signature: String,
    pub(crate) body: String,
    /// What it was answered with.
    pub(crate) status: u16,
}

impl Post {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn event_type(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// The signature that a secret gives it, by Standard Webhooks 1.0.
    pub(crate) fn signed_by(&self, secret: &str) -> String {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        assert!((24..=64).contains(&key.len()));
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.{}", self.id, self.timestamp, self.body).as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    /// Lines of the head.
    head: String,
}

impl From<u16> for Reply {
    fn from(status: u16) -> Self {
        Self { status, head: String::new() }
    }
}

impl Reply {
    pub(crate) fn with(status: u16, name: &str, value: &str) -> Self {
        Self { status, head: format!("{name}: {value}\r\n") }
    }
}

struct State {
    posts: Vec<Post>,
    /// The next answers; when there are none, `usual`.
    replies: VecDeque<Reply>,
    usual: Reply,
    /// Tells of each post before it is answered, and waits for a word.
    held: Option<(Sender<()>, Channel<()>)>,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { posts: vec![], replies: VecDeque::new(), usual: 204.into(), held: None };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/in?from=thunderhead", self.address)
    }

    /// Answers everything with this from now on.
    pub(crate) fn reply(&self, reply: impl Into<Reply>) {
        self.state.lock().unwrap().usual = reply.into();
    }

    /// Answers the next one with this.
    pub(crate) fn reply_once(&self, reply: impl Into<Reply>) {
        self.state.lock().unwrap().replies.push_back(reply.into());
    }

    /// Holds the next one: tells when it is there, and answers when it is told to, or when nobody is there to tell it.
    pub(crate) fn hold(&self) -> (Channel<()>, Sender<()>) {
        let ((arrived, arrival), (go, told)) = (mpsc::channel(), mpsc::channel());
        self.state.lock().unwrap().held = Some((arrived, told));
        (arrival, go)
    }

    /// All that it was sent.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.state.lock().unwrap().posts.clone()
    }

    /// The ids of what it has taken, in order.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.posts().into_iter().filter(|post| post.status == 204).map(|post| post.id).collect()
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let Some((head, body)) = read(&mut stream) else { return };
    let held = state.lock().unwrap().held.take();
    if let Some((arrived, told)) = held {
        arrived.send(()).unwrap();
        _ = told.recv_timeout(PATIENCE);
    }
    let header = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default().to_owned()
    };
    let reply = {
        let mut state = state.lock().unwrap();
        let reply = state.replies.pop_front().unwrap_or_else(|| state.usual.clone());
        state.posts.push(Post {
            path: head.split(' ').nth(1).unwrap_or_default().to_owned(),
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
            body,
            status: reply.status,
        });
        reply
    };
    let Reply { status, head } = reply;
    // Who has gone away does not want to know.
    drop(write!(stream, "HTTP/1.1 {status} X\r\n{head}Content-Length: 0\r\n\r\n"));
}

/// The head of a request and its body.
fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}
