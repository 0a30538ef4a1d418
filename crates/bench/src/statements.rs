//! `cargo xtask bench statements`: what one of each operation is to Postgres, by Postgres' own count
//! (`pg_stat_statements`, and `pg_stat_wal` of Postgres 14 to 17): statements, each of which is a round trip, freshness
//! reads, flushes of the log to the disk, bytes of the log, and time.
//!
//! What is done less than once in two operations is not theirs: that is what a server does regularly.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::checks::CACHE_OFF;
use crate::users::{TestUser, TestUsers};
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::{TestBed, wait_for};
use thunderhead_system_tests::requests::{PASSWORD, log_in, log_out, who_am_i};

/// Nothing but what is asked for writes, as far as that can be had.
pub(crate) const POSTGRES: [&str; 4] = [
    "shared_preload_libraries='pg_stat_statements'",
    "autovacuum=off",
    "wal_writer_delay=10s",
    "checkpoint_timeout=1h",
];
/// How often each is done. Each time by another user.
const TIMES: u32 = 50;
const TRIES: u32 = 5;
/// How long a server may take to end.
const LONGEST: Duration = Duration::from_secs(15);
/// What the question for what has changed begins with.
const FRESHNESS: &str = "SELECT counter.partition%";
const OTHER_PASSWORD: &str = "nine lanterns by the weir";

/// What is done, and how many statements that may be: what docs/SCALING.md says.
#[derive(Clone, Copy)]
struct Operation {
    name: &'static str,
    statements: u32,
    status: u16,
    settings: &'static [(&'static str, &'static str)],
    /// Done before, and not counted: so that the session is cached.
    is_known: bool,
    /// Whether each user has another session besides.
    has_others: bool,
    request: fn(&TestUser, &str) -> Request,
}

const fn operation(name: &'static str, statements: u32, request: fn(&TestUser, &str) -> Request) -> Operation {
    Operation { name, statements, status: 200, settings: &[], is_known: true, has_others: false, request }
}

const OPERATIONS: [Operation; 13] = [
    operation("check", 0, |user, _| who_am_i(&user.token)),
    Operation {
        is_known: false,
        ..operation("check of a session that is not cached", 1, |user, _| who_am_i(&user.token))
    },
    Operation { settings: &CACHE_OFF, ..operation("check without a cache", 1, |user, _| who_am_i(&user.token)) },
    Operation {
        has_others: true,
        ..operation("list", 1, |user, _| Request::new("GET", "/api/users/me/sessions").token(&user.token))
    },
    operation("introspection", 1, introspect),
    Operation { status: 201, is_known: false, ..operation("login", 3, |user, _| log_in(&user.name, PASSWORD)) },
    Operation {
        status: 401,
        is_known: false,
        ..operation("wrong password", 2, |user, _| log_in(&user.name, "nobody's"))
    },
    operation("end of a session", 1, |user, _| log_out(&user.token)),
    Operation {
        has_others: true,
        ..operation("end of all others", 1, |user, _| {
            Request::new("DELETE", "/api/users/me/sessions/all").token(&user.token)
        })
    },
    Operation {
        has_others: true,
        ..operation("end of all", 1, |user, _| {
            Request::new("DELETE", "/api/users/me/sessions/all?include-self=true").token(&user.token)
        })
    },
    Operation { status: 201, ..operation("scoped session", 16, scoped) },
    operation("new password", 13, new_password),
    operation("page of the feed", 6, |_, service| {
        Request::new("GET", "/events?limit=100").header("Authorization", service)
    }),
];

fn introspect(user: &TestUser, service: &str) -> Request {
    let mut request = Request::new("POST", "/introspect")
        .header("Authorization", service)
        .header("Content-Type", "application/x-www-form-urlencoded");
    request.body = Some(format!("token={}", user.token));
    request
}

fn scoped(user: &TestUser, _: &str) -> Request {
    let wish = json!({"name": "script", "permissionFlags": 4, "password": PASSWORD});
    Request::new("POST", "/api/users/me/sessions").token(&user.token).json(&wish)
}

fn new_password(user: &TestUser, _: &str) -> Request {
    let wish = json!({"password": PASSWORD, "newPassword": OTHER_PASSWORD, "confirmNewPassword": OTHER_PASSWORD});
    Request::new("PUT", "/api/users/me/password").token(&user.token).json(&wish)
}

/// What was counted, for one operation.
struct Counted {
    statements: f64,
    freshness: f64,
    flushes: f64,
    log_bytes: f64,
    micros: f64,
}

/// Counts, prints the table, and fails where an operation is more statements than it may be.
pub(crate) fn run(bed: &TestBed) -> Result<()> {
    let mut more = vec![];
    println!("| operation | statements | freshness reads | flushes | bytes of the log | time of Postgres, µs |");
    println!("|---|---|---|---|---|---|");
    for operation in &OPERATIONS {
        let counted = again_where_busy(|| count(bed, operation)).with_context(|| operation.name)?;
        let Counted { statements, freshness, flushes, log_bytes, micros } = counted;
        let name = operation.name;
        println!("| {name} | {statements:.0} | {freshness:.1} | {flushes:.1} | {log_bytes:.0} | {micros:.0} |");
        if statements.round() > f64::from(operation.statements) {
            more.push(format!("{name}: {statements:.0} statements, and not {}", operation.statements));
        }
    }
    again_where_busy(|| tell_uses(bed))?;
    if !more.is_empty() {
        bail!("more statements than docs/SCALING.md says: {}", more.join("; "));
    }
    Ok(())
}

/// Where a machine has so much else to do that somebody was refused, there is another try: what is counted does not depend
/// on time.
fn again_where_busy<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..TRIES {
        match work() {
            Ok(done) => return Ok(done),
            Err(error) => eprintln!("  again: {error:#}"),
        }
    }
    work()
}

fn count(bed: &TestBed, operation: &Operation) -> Result<Counted> {
    let site = Site::new(bed, Engine::Postgres)?;
    let server = site.start()?;
    bed.sql(&site.database, "create extension pg_stat_statements")?;
    let service = site.operate(&["service", "create", "reader", "--events"], "")?;
    let service = format!("Basic {}", STANDARD.encode(service.trim()));
    let users = TestUsers::register(&server, "s", TIMES)?;
    if operation.has_others {
        users.log_in_again(&server, 1)?;
    }
    end(bed, &site, server)?;
    let server = site.start_with(operation.settings)?;
    let mut client = Client::new(server.address);
    if operation.is_known {
        // Twice: the first question for what has changed finds that everything may have.
        for user in users.all().iter().chain(users.all()) {
            client.ask(&who_am_i(&user.token))?;
        }
    }
    bed.sql(&site.database, "select pg_stat_statements_reset()")?;
    let before = flushes(bed)?;
    for user in users.all() {
        let answer = client.ask(&(operation.request)(user, &service))?;
        if answer.status != operation.status {
            bail!("not answered as expected: {answer}");
        }
    }
    let statements = statements(bed, &site)?;
    // Connections tell what they have flushed when they end.
    end(bed, &site, server)?;
    let flushes = (flushes(bed)? - before) / f64::from(TIMES);
    site.remove(bed)?;
    Ok(Counted { flushes, ..statements })
}

/// That a session was used is noted, and written once in a second for all: what each of them is.
fn tell_uses(bed: &TestBed) -> Result<()> {
    let site = Site::new(bed, Engine::Postgres)?;
    let server = site.start()?;
    bed.sql(&site.database, "create extension pg_stat_statements")?;
    let users = TestUsers::register(&server, "u", TIMES)?;
    let mut client = Client::new(server.address);
    for user in users.all() {
        client.ask(&who_am_i(&user.token))?;
    }
    let figures = "select coalesce(sum(rows), 0), coalesce(sum(wal_bytes) / sum(rows), 0), \
                   coalesce(sum(total_exec_time) * 1000 / sum(rows), 0) \
                   from pg_stat_statements where query like 'UPDATE sessions SET used_at%'";
    let written = || {
        let numbers = numbers::<3>(&bed.sql(&site.database, figures).ok()?).ok()?;
        (numbers[0] >= f64::from(TIMES)).then_some(numbers)
    };
    let ([_, log_bytes, micros], _) = wait_for("the times of last use", LONGEST, written)?;
    println!(
        "| use of a session, written behind | one a second for all | 0 | one a second | {log_bytes:.0} | {micros:.0} |"
    );
    end(bed, &site, server)?;
    site.remove(bed)
}

/// Ends a server, and waits until its connections have ended, too.
fn end(bed: &TestBed, site: &Site, server: Server) -> Result<()> {
    server.terminate()?;
    server.wait(LONGEST)?;
    let left = "select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    let have_ended = || bed.sql(&site.database, left).ok().filter(|left| left.trim().is_empty());
    wait_for("the end of connections", LONGEST, have_ended).map(drop)
}

fn flushes(bed: &TestBed) -> Result<f64> {
    Ok(bed.sql("postgres", "select wal_sync from pg_stat_wal")?.trim().parse()?)
}

fn statements(bed: &TestBed, site: &Site) -> Result<Counted> {
    let which = format!(
        "from (select *, query ilike '{FRESHNESS}' as is_read from pg_stat_statements) as seen \
         where dbid = (select oid from pg_database where datname = current_database()) \
         and (is_read or calls >= {TIMES} / 2)"
    );
    let texts = format!("select calls, left(regexp_replace(query, '\\s+', ' ', 'g'), 100) {which}");
    eprintln!("{}", bed.sql(&site.database, &texts)?.trim_end());
    let counted = bed.sql(
        &site.database,
        &format!(
            "select coalesce(sum(round(calls::numeric / {TIMES})) filter (where not is_read), 0), \
             coalesce(sum(calls) filter (where is_read), 0) / {TIMES}.0, coalesce(sum(wal_bytes), 0) / {TIMES}, \
             coalesce(sum(total_exec_time + total_plan_time), 0) * 1000 / {TIMES} \
             {which}"
        ),
    )?;
    let [statements, freshness, log_bytes, micros] = numbers(&counted)?;
    Ok(Counted { statements, freshness, flushes: 0.0, log_bytes, micros })
}

/// A row, as `psql` prints it.
fn numbers<const N: usize>(row: &str) -> Result<[f64; N]> {
    let numbers = row.trim().split('|').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    numbers.try_into().ok().with_context(|| format!("not {N} numbers: {row}"))
}
