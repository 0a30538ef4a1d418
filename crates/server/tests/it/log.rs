//! What the log of the real program says.

use rustix::process::Signal;
use serde_json::json;
use thunderhead_storage::revert;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::client_at;
use crate::process::Process;

/// It guards nothing.
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

on_both_engines!(the_log_gives_the_databases_own_words);

fn the_log_gives_the_databases_own_words(database: TestDatabase) {
    let settings = [("DATABASE_URL", database.url_text()), ("ENCRYPTION_KEY", KEY), ("HTTP__DRAIN_MS", "0")];
    let process = Process::start(&settings);
    revert(database.url()).unwrap();
    let login = json!({"username": "ada", "password": "seven kettles on the moor"});
    let refused = client_at(process.address).post("/api/login", &login);
    assert!(refused.status >= 500, "{}", refused.status);
    process.signal(Signal::TERM);
    let log = process.end().log;
    let words = if database.url().sqlite_path().is_some() { "no such table: " } else { "does not exist" };
    let line = log.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("the database is not available: "), "{line}");
}
