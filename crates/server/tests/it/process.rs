//! The program itself, as an operator starts it: on a new SQLite file, on a port that is free.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A process that has not ended by then hangs. Busy machines are slow, so it is long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. It is killed when it is dropped.
pub(crate) struct Process {
    child: Option<Child>,
    id: Pid,
    lines: BufReader<ChildStdout>,
    folder: Option<TempDir>,
    pub(crate) address: SocketAddr,
    /// The line with which it said where it serves.
    pub(crate) said: String,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// What it said on the standard error.
    pub(crate) log: String,
}

impl Process {
    /// Starts the server without limits and with these settings, named as in the environment.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_at("127.0.0.1:0", settings)
    }

    /// The same at another place to listen at.
    pub(crate) fn start_at(listen: &str, settings: &[(&str, &str)]) -> Self {
        Self::run(TempDir::new().expect("a folder"), listen, settings)
    }

    /// Starts the server with a log into a pipe that nobody reads.
    pub(crate) fn start_unread(settings: &[(&str, &str)]) -> Self {
        Self::run_logging(TempDir::new().expect("a folder"), "127.0.0.1:0", settings, Stdio::piped())
    }

    /// The same on data that are there.
    pub(crate) fn start_in(folder: TempDir, settings: &[(&str, &str)]) -> Self {
        Self::run(folder, "127.0.0.1:0", settings)
    }

    fn run(folder: TempDir, listen: &str, settings: &[(&str, &str)]) -> Self {
        let log = File::create(folder.path().join("log")).expect("a file");
        Self::run_logging(folder, listen, settings, log.into())
    }

    fn run_logging(folder: TempDir, listen: &str, settings: &[(&str, &str)], log: Stdio) -> Self {
        let mut command = serve_at(listen, folder.path());
        for (name, value) in [("LIMITS__GENERAL", "off"), ("LIMITS__FLOOD", "off")].iter().chain(settings) {
            command.env(format!("THUNDERHEAD_{name}"), value);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().expect("a process");
        let id = Pid::from_child(&child);
        let lines = BufReader::new(child.stdout.take().expect("its output"));
        let nowhere = SocketAddr::from(([0; 4], 0));
        let folder = Some(folder);
        let mut process = Self { child: Some(child), id, lines, folder, address: nowhere, said: String::new() };
        if listen.starts_with("127.") {
            process.address = process.address_after("serves http://");
        } else {
            process.wait_for("serves http://");
        }
        process
    }

    /// A second server in the same folder, which must not start.
    pub(crate) fn fail_to_start(&self, listen: &str) -> Ended {
        let output = serve_at(listen, self.folder()).stdin(Stdio::null()).output().expect("a process");
        Ended { code: output.status.code(), log: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// Kills the server, and starts another one in the same folder.
    pub(crate) fn replace_by_force(self, listen: &str) -> Self {
        Self::run(self.kill(), listen, &[])
    }

    /// Runs an operator's command on the same data, and returns what it prints.
    pub(crate) fn operate(&self, arguments: &[&str]) -> String {
        operate(self.folder(), arguments).expect("a command that succeeds")
    }

    /// Where its data are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().expect("a folder that was not given away").path()
    }

    /// Ends it as a power cut would; returns its data.
    pub(crate) fn kill(mut self) -> TempDir {
        self.signal(Signal::KILL);
        let mut child = self.child.take().expect("a process that was not waited for");
        child.wait().expect("its status");
        self.folder.take().expect("a folder that was not given away")
    }

    /// Reads lines, from the last one on, until one has an address after these words.
    pub(crate) fn address_after(&mut self, words: &str) -> SocketAddr {
        self.wait_for(words);
        let rest = self.said.split_once(words).map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split(['/', '\n']).next()?.parse().ok()).expect("an address")
    }

    /// Reads lines, from the last one on, until one has these words.
    fn wait_for(&mut self, words: &str) {
        while !self.said.contains(words) {
            self.said.clear();
            let length = self.lines.read_line(&mut self.said).expect("its output");
            assert!(length > 0, "the process ended before it said {words:?}: {}", self.log());
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.id, signal).expect("a signal");
    }

    /// Waits for the process to end by itself.
    pub(crate) fn end(mut self) -> Ended {
        let mut child = self.child.take().expect("a process that was not waited for");
        let (tell, told) = mpsc::channel();
        thread::spawn(move || tell.send(child.wait().expect("its status")));
        let status = told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            self.signal(Signal::KILL);
            panic!("the process does not end: {}", self.log())
        });
        Ended { code: status.code(), log: self.log() }
    }

    /// All that it has written, its log apart.
    pub(crate) fn written(&self) -> Vec<u8> {
        let files = fs::read_dir(self.folder()).expect("its folder").map(|entry| entry.expect("a file").path());
        let files = files.filter(|path| path.is_file() && !path.ends_with("log"));
        files.flat_map(|path| fs::read(path).expect("a file")).collect()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }
}

/// Runs an operator's command on the data in a folder. What it prints, or else its exit code and its complaint.
pub(crate) fn operate(folder: &Path, arguments: &[&str]) -> Result<String, (Option<i32>, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thunderhead"));
    command.args(["--data-dir", "."]).args(arguments).current_dir(folder).env_clear();
    let output = command.stdin(Stdio::null()).output().expect("a process");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    if output.status.success() { Ok(text(output.stdout)) } else { Err((output.status.code(), text(output.stderr))) }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn serve_at(listen: &str, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thunderhead"));
    command.args(["serve", "--listen", listen, "--data-dir", "."]).current_dir(folder).env_clear();
    command
}

/// A connection that can be used again.
pub(crate) struct Connection<S = TcpStream>(S);

/// An answer with all of its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether the connection ends with it.
    pub(crate) last: bool,
    pub(crate) body: String,
}

impl Connection {
    /// Nothing where the server takes no connections any more.
    pub(crate) fn open(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        Some(Self(stream))
    }
}

impl<S: Read + Write> Connection<S> {
    /// One over a stream of any kind.
    pub(crate) const fn over(stream: S) -> Self {
        Self(stream)
    }

    /// Sends a request as a whole. Nothing where no whole answer comes.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &str) -> Option<Answer> {
        self.ask_with(method, path, "", body)
    }

    /// The same with more header lines, each with its end.
    pub(crate) fn ask_with(&mut self, method: &str, path: &str, lines: &str, body: &str) -> Option<Answer> {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{lines}");
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        self.0.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        let mut buffer = [0; 4_096];
        loop {
            if let Some(answer) = parse(&text) {
                return Some(answer);
            }
            match self.0.read(&mut buffer) {
                Ok(length @ 1..) => text.push_str(&String::from_utf8_lossy(&buffer[..length])),
                Ok(0) | Err(_) => return None,
            }
        }
    }

    /// Sends bytes as they are, and waits until the server has hung up.
    pub(crate) fn send_and_wait_for_the_end(mut self, bytes: &[u8]) {
        drop(self.0.write_all(bytes));
        drop(self.0.read_to_end(&mut vec![]));
    }
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let length: usize = header("content-length")?.parse().ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (body.len() >= length).then(|| Answer {
        status,
        last: header("connection") == Some("close"),
        body: body.to_owned(),
    })
}
