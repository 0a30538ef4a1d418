//! Backing up a running server and restoring that: nothing that was acknowledged before is lost, and nothing restores
//! under a server.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Connection, Process, operate};

/// What makes registrations cheap.
const SETTINGS: [(&str, &str); 3] = [("HASHING__MEMORY_KIB", "8"), ("HASHING__PASSES", "1"), ("LIMITS__LOGIN", "off")];
/// How many accounts there are before the backup.
const BEFORE: usize = 40;

/// Names whose registration was acknowledged.
type Ledger = Mutex<Vec<String>>;

fn register(address: SocketAddr, name: &str) -> bool {
    let body = format!(
        r#"{{"username":"{name}","email":"{name}@example.org","password":"correct horse battery","confirmPassword":"correct horse battery"}}"#
    );
    let answer = Connection::open(address).and_then(|mut open| open.ask("POST", "/api/register", &body));
    answer.is_some_and(|answer| answer.status == 201)
}

/// Registers one account after the other until it is told to stop, or nobody answers.
fn load(address: SocketAddr, client: usize, ledger: &Ledger, stop: &AtomicBool) {
    for number in 0.. {
        let name = format!("c{client}n{number}");
        if stop.load(Ordering::Relaxed) || !register(address, &name) {
            return;
        }
        ledger.lock().unwrap().push(name);
    }
}

/// The names of all accounts in a folder's database.
fn users(folder: &Path) -> BTreeSet<String> {
    let list = json(folder, &["user", "list", "--limit", "10000", "--json"]);
    list["items"].as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&operate(folder, arguments).unwrap()).unwrap()
}

/// A folder of another machine: there is the backup, and the key.
fn elsewhere(backup: &Path, from: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::copy(backup, folder.path().join("backup.db")).unwrap();
    fs::copy(from.join("encryption.key"), folder.path().join("encryption.key")).unwrap();
    folder
}

#[test]
fn a_backup_under_load_holds_all_that_was_acknowledged_and_restores_over_what_a_kill_leaves() {
    let process = Process::start(&SETTINGS);
    let (ledger, stop) = (Ledger::default(), AtomicBool::new(false));
    let address = process.address;
    let before = thread::scope(|scope| {
        for client in 0..3 {
            let (ledger, stop) = (&ledger, &stop);
            scope.spawn(move || load(address, client, ledger, stop));
        }
        while ledger.lock().unwrap().len() < BEFORE {
            thread::yield_now();
        }
        let before = ledger.lock().unwrap().clone();
        process.operate(&["backup", "backup.db"]);
        let after = ledger.lock().unwrap().len();
        // Some of this load must lie behind the backup.
        while ledger.lock().unwrap().len() < after + 5 {
            thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        before
    });
    assert!(register(address, "afterwards"));
    let folder = process.kill();
    let here = folder.path();
    assert!(here.join("thunderhead.db-wal").exists(), "what a kill leaves over");
    assert_eq!(fs::metadata(here.join("backup.db")).unwrap().permissions().mode() & 0o777, 0o600);

    let there = elsewhere(&here.join("backup.db"), here);
    assert!(operate(there.path(), &["restore", "backup.db"]).unwrap().starts_with("Restored "));
    let restored = json(here, &["restore", "backup.db", "--yes", "--json"]);
    assert!(restored["sessionsEnded"].as_u64().unwrap() >= BEFORE as u64, "{restored}");
    let aside = here.join(restored["putAside"].as_str().unwrap());
    let aside = aside.file_name().unwrap().to_str().unwrap();
    for folder in [there.path(), here] {
        let users = users(folder);
        let lost: Vec<_> = before.iter().filter(|name| !users.contains(*name)).collect();
        assert!(lost.is_empty(), "acknowledged before the backup, and lost: {lost:?}");
        assert!(!users.contains("afterwards"));
        assert_eq!(json(folder, &["session", "list", "--json"])["items"], Value::Array(vec![]));
        assert!(!folder.join("thunderhead.db-restored").exists());
    }
    // What was put aside is all that there was, its log included.
    let third = elsewhere(&here.join("backup.db"), here);
    operate(third.path(), &["restore", here.join(aside).to_str().unwrap()]).unwrap();
    assert!(users(third.path()).contains("afterwards"));
    let again = Process::start_in(folder, &SETTINGS);
    assert!(register(again.address, "afterwards"), "the restored database serves");
}

#[test]
fn nothing_is_restored_under_a_server_be_it_paused() {
    let process = Process::start(&SETTINGS);
    assert!(register(process.address, "ada"));
    process.operate(&["backup", "backup.db"]);
    let restore = || operate(process.folder(), &["restore", "backup.db", "--yes"]).unwrap_err();
    let refused = |(code, complaint): (Option<i32>, String)| {
        assert_eq!(code, Some(1));
        assert!(
            complaint.contains("the server, process ") && complaint.contains("stop the server first"),
            "{complaint}"
        );
    };
    refused(restore());
    process.signal(Signal::STOP);
    refused(restore());
    process.signal(Signal::CONT);
    // A program that does not know of our lock, but has SQLite's own.
    fs::remove_file(process.folder().join("thunderhead.db-lock")).unwrap();
    let (_, complaint) = restore();
    assert!(complaint.contains("is in use (process "), "{complaint}");
    assert!(register(process.address, "bob"));
    assert!(users(process.folder()).contains("bob"));
}

#[test]
fn a_restoration_that_was_cut_short_is_finished_before_anything_else() {
    let process = Process::start(&SETTINGS);
    assert!(register(process.address, "ada"));
    process.operate(&["backup", "backup.db"]);
    assert!(register(process.address, "bob"));
    let folder = process.kill();
    let here = folder.path();
    // As it is once the restored file is whole, and the first of the old ones is aside.
    let there = elsewhere(&here.join("backup.db"), here);
    operate(there.path(), &["restore", "backup.db"]).unwrap();
    fs::copy(there.path().join("thunderhead.db"), here.join("thunderhead.db-restored")).unwrap();
    for command in
        [&["user", "list"][..], &["serve"], &["backup", "x.db"], &["migrate"], &["restore", "backup.db", "--yes"]]
    {
        let (code, complaint) = operate(here, command).unwrap_err();
        assert!(code == Some(1) && complaint.contains("`thunderhead restore --finish`"), "{command:?}: {complaint}");
    }
    let told = operate(here, &["restore", "--finish"]).unwrap();
    assert!(told.contains("thunderhead.db-before-"), "{told}");
    assert_eq!(users(here), BTreeSet::from(["ada".to_owned()]));
    let (code, complaint) = operate(here, &["restore", "--finish"]).unwrap_err();
    assert!(code == Some(1) && complaint.contains("nothing to finish"), "{complaint}");
}

#[test]
fn a_server_does_not_start_where_it_cannot_write_or_without_the_key() {
    let process = Process::start(&SETTINGS);
    assert!(register(process.address, "ada"));
    let folder = process.kill();
    let here = folder.path();
    operate(here, &["user", "list"]).unwrap();
    let key = fs::read(here.join("encryption.key")).unwrap();
    fs::remove_file(here.join("encryption.key")).unwrap();
    for command in [&["serve"][..], &["key", "rotate"], &["key", "reseal"]] {
        let (code, complaint) = operate(here, command).unwrap_err();
        let names = ["encryption.key", "thunderhead.db", "`encryption_key_file`"];
        assert!(code == Some(2) && names.iter().all(|name| complaint.contains(name)), "{command:?}: {complaint}");
    }
    let (code, complaint) = operate(here, &["backup", "backup.db"]).unwrap_err();
    assert!(code == Some(2) && complaint.contains("there is no encryption key file"), "{complaint}");
    assert!(!here.join("encryption.key").exists() && !here.join("backup.db").exists());
    fs::write(here.join("encryption.key"), "ab".repeat(32)).unwrap();
    for command in [&["serve"][..], &["key", "reseal"], &["backup", "backup.db"]] {
        let (code, complaint) = operate(here, command).unwrap_err();
        let names = ["encryption.key", "thunderhead.db", "signing-key:", "`encryption_key_file`"];
        assert!(code == Some(2) && names.iter().all(|name| complaint.contains(name)), "{command:?}: {complaint}");
    }
    fs::write(here.join("encryption.key"), key).unwrap();
    // What root meets too: there can be no log where a folder has its name.
    fs::remove_file(here.join("thunderhead.db-wal")).ok();
    fs::create_dir(here.join("thunderhead.db-wal")).unwrap();
    let (code, complaint) = operate(here, &["serve"]).unwrap_err();
    let names = ["thunderhead.db", "it belongs to user ", "unable to open database file"];
    assert!(code == Some(1) && names.iter().all(|name| complaint.contains(name)), "{complaint}");
}
