//! Another process that works with the same database: this very program, run for one test alone.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};

use crate::file::beside;

/// Tells the other process what it is, and on which file.
const FILE: &str = "THUNDERHEAD_TEST_FOREIGN_FILE";
/// How its answers begin: the test framework prints, too.
const OK: &str = "foreign: ok";
const FAILED: &str = "foreign: failed: ";
const TEAR: &str = "tear";

pub(super) struct Foreign {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Foreign {
    pub(super) fn start(file: &str) -> Self {
        let (_, module) = module_path!().split_once("::").unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", &format!("{module}::does_what_it_is_told"), "--nocapture"]).env(FILE, file);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    /// Has statements run there.
    pub(super) fn run(&mut self, statements: &str) -> Result<(), String> {
        writeln!(self.input.as_mut().unwrap(), "{statements}").unwrap();
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it has ended: {statements}");
            // The framework prints no end of line before the first.
            if line.trim_end().ends_with(OK) {
                return Ok(());
            }
            if let Some((_, error)) = line.split_once(FAILED) {
                return Err(error.to_owned());
            }
        }
    }

    #[track_caller]
    pub(super) fn done(&mut self, statements: &str) {
        self.run(statements).unwrap();
    }

    /// Leaves the header as one that was killed while it published a commit. It must be killed then.
    pub(super) fn tear_header(&mut self) {
        self.done(TEAR);
    }

    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Has it close the database and end.
    pub(super) fn leave(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        drop(self.input.take());
        self.child.wait().ok();
    }
}

/// The life of the other process. Run with all the tests, it has nothing to do.
#[test]
fn does_what_it_is_told() {
    let Ok(file) = env::var(FILE) else { return };
    let mut connection = SqliteConnection::establish(&file).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 1000; PRAGMA synchronous = OFF").unwrap();
    for line in io::stdin().lines() {
        let line = line.unwrap();
        let done =
            if line == TEAR { tear(&file) } else { connection.batch_execute(&line).map_err(|error| error.to_string()) };
        match done {
            Ok(()) => println!("{OK}"),
            Err(error) => println!("{FAILED}{error}"),
        }
    }
}

/// Overwrites the copy of the header that is written first.
fn tear(file: &str) -> Result<(), String> {
    let index = OpenOptions::new().write(true).open(beside(Path::new(file), "-shm"));
    index.and_then(|index| index.write_all_at(&[0x5a; 24], 48)).map_err(|error| error.to_string())
}
