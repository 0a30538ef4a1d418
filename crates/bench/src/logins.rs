//! Logins beside raw hashing.

use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result};

use crate::BenchSetup;
use crate::contest::{ROUNDS, median};
use crate::table::{Goal, Table};
use crate::users::TestUsers;
use crate::wrk::{self, WrkLoad, WrkRequest, WrkRequests};
use thunderhead_system_tests::live::site::{Engine, Site};
use thunderhead_system_tests::requests::PASSWORD;
use thunderhead_tooling::process;

/// The defaults of the server, which the other measurements do not use.
pub(crate) const HASHING: [(&str, &str); 3] =
    [("HASHING__MEMORY_KIB", "19456"), ("HASHING__PASSES", "2"), ("HASHING__QUEUE", "64")];
/// Users who log in, over and over.
const USERS: u32 = 64;
/// Clients who log in at once.
const CLIENTS: u32 = 16;

pub(crate) fn run(setup: &BenchSetup, engine: Engine, table: &mut Table) -> Result<()> {
    let site = Site::new(&setup.bed, engine)?;
    let server = setup.start(&site, &HASHING)?;
    let users = TestUsers::register(&server, "l", USERS)?;
    let bodies = log_in_bodies(&users, PASSWORD);
    let logins = bodies.iter().map(|body| WrkRequest::post("/api/login", body));
    let asks = WrkRequests::write(site.folder(), "login", logins)?;
    // Hashing is slow: more seconds make as many figures.
    let seconds = setup.seconds() * 2;
    let (mut parts, mut logins, mut hashes) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let hashed = raw(setup, seconds)?;
        let seen = wrk::run(server.address, &asks, WrkLoad { threads: 1, connections: CLIENTS, seconds })?;
        parts.push(seen.per_second / hashed);
        logins.push(seen.per_second);
        hashes.push(hashed);
    }
    let seen = format!("{:.1}/s, {:.1}/s; {CLIENTS} clients", median(logins), median(hashes));
    table.ratio(format!("login ÷ raw Argon2id, {engine}"), median(parts), Goal::AtLeast(0.90), seen);
    Ok(())
}

/// What the users log in with.
pub(crate) fn log_in_bodies(users: &TestUsers, password: &str) -> Vec<String> {
    let body = |name: &str| format!(r#"{{"username":"{name}","password":"{password}"}}"#);
    users.all().iter().map(|user| body(&user.name)).collect()
}

/// Hashes per second, on as many threads as the server hashes on.
fn raw(setup: &BenchSetup, seconds: u32) -> Result<f64> {
    let threads = available_parallelism()?.to_string();
    let mut hash = Command::new(&setup.argon2id);
    hash.args(["19456", "2", "1", &threads, &seconds.to_string()]);
    process::output(hash)?.trim().parse().context("not a number of hashes")
}
