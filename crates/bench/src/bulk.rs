//! Rows in bulk, by SQL, past the server.

use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use thunderhead_system_tests::live::TestBed;
use thunderhead_system_tests::live::site::{DATABASE, Engine, Site};
use thunderhead_tooling::process;

const BATCH: u64 = 1_000_000;
const SESSIONS_EACH: u64 = 10;
/// Ids of sessions are seconds of Unix time: these are of 2020 to 2023, before any that a server opens.
const BEGINNING: u64 = 1_600_000_000;
const END: u64 = 1_700_000_000;
const DAY_MILLIS: i64 = 86_400_000;

/// What kind of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionKind {
    /// Live ones, and every third ended, not long ago.
    Kept,
    /// Ended for so long that they are to go.
    Old,
}

struct SqlDialect {
    uuid: &'static str,
    yes: &'static str,
    no: &'static str,
    now: &'static str,
}

const SQLITE: SqlDialect = SqlDialect { uuid: "randomblob(16)", yes: "1", no: "0", now: "(SELECT unixepoch() * 1000)" };

const POSTGRES: SqlDialect = SqlDialect {
    uuid: "uuid_send(gen_random_uuid())",
    yes: "TRUE",
    no: "FALSE",
    now: "(SELECT (extract(epoch FROM now()) * 1000)::bigint)",
};

/// The dialects that sessions are made with, by turns.
pub(crate) const DIALECTS: [&str; 4] = ["current", "legacy", "kratos", "pages"];

/// Of how many users so many sessions are.
pub(crate) fn users(sessions: u64) -> u64 {
    (sessions / SESSIONS_EACH).max(1)
}

/// Inserts so many sessions, of a tenth as many users, into a database that has been migrated. Returns the seconds
/// that it took.
pub(crate) fn insert(bed: &TestBed, site: &Site, engine: Engine, sessions: u64, kind: SessionKind) -> Result<f64> {
    let begun = Instant::now();
    let dialect = dialect_of(engine);
    let users = users(sessions);
    let mut script = beginning(engine).to_owned();
    for (first, last) in batches(users) {
        script += &format!("{}{};\n", users_sql(dialect), series(engine, first, last));
    }
    for (first, last) in batches(sessions) {
        let owner = format!("(g % {users} + 1)");
        script += &format!("{}{};\n", sessions_sql(dialect, &owner, "NULL", Some(kind)), series(engine, first, last));
    }
    script += ending(engine);
    execute(bed, site, engine, &script)?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Live sessions whose tokens are known ([`token_of`]): first `own`, each of another user, then `shared` ones of the
/// first `among` of these users.
#[derive(Clone, Copy)]
pub(crate) struct KnownSessions {
    pub(crate) own: u64,
    pub(crate) shared: u64,
    pub(crate) among: u64,
}

/// Inserts them into a database that has been migrated.
pub(crate) fn insert_known(bed: &TestBed, site: &Site, engine: Engine, known: KnownSessions) -> Result<()> {
    let dialect = dialect_of(engine);
    let KnownSessions { own, shared, among } = known;
    let owner = format!("(CASE WHEN g <= {own} THEN g ELSE g % {among} + 1 END)");
    let mut script = beginning(engine).to_owned();
    let (digest, rows) = match engine {
        Engine::Postgres => ("sha256(convert_to(lpad(g::text, 32, '0'), 'UTF8'))", series(engine, 1, own + shared)),
        Engine::Sqlite => {
            script += &digests_sql(own + shared);
            ("digest", " FROM digests".to_owned())
        }
    };
    script += &format!("{}{};\n", users_sql(dialect), series(engine, 1, own));
    script += &format!("{}{rows};\n", sessions_sql(dialect, &owner, digest, None));
    script += ending(engine);
    execute(bed, site, engine, &script).map(drop)
}

/// The token of one of the sessions whose tokens are known, counted from 1.
pub(crate) fn token_of(number: u64) -> String {
    format!("{number:032}")
}

/// SQLite cannot make digests.
fn digests_sql(count: u64) -> String {
    let mut script = "CREATE TEMP TABLE digests (g INTEGER PRIMARY KEY, digest BLOB);\n".to_owned();
    for number in 1..=count {
        let digest: String = Sha256::digest(token_of(number)).iter().map(|byte| format!("{byte:02x}")).collect();
        // So many to a statement: one for each would take long, and all in one would be long to parse.
        script += if number % 500 == 1 { "INSERT INTO digests VALUES " } else { ", " };
        script += &format!("({number}, x'{digest}')");
        script += if number % 500 == 0 || number == count { ";\n" } else { "" };
    }
    script
}

const fn dialect_of(engine: Engine) -> &'static SqlDialect {
    match engine {
        Engine::Sqlite => &SQLITE,
        Engine::Postgres => &POSTGRES,
    }
}

const fn beginning(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000;\n",
        // Vacuum marks no page as visible to all whose commit has not reached the log, and counting then reads the table.
        Engine::Postgres => "SET synchronous_commit = on;\n",
    }
}

const fn ending(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "PRAGMA journal_mode = WAL;\n",
        Engine::Postgres => "VACUUM ANALYZE;\n",
    }
}

/// Inserts so many live sessions of each of these users, who are there.
pub(crate) fn insert_of(bed: &TestBed, site: &Site, engine: Engine, names: &[&str], sessions: u64) -> Result<()> {
    let SqlDialect { uuid, no, now, .. } = dialect_of(engine);
    let month = DAY_MILLIS * 30;
    let mut script = beginning(engine).to_owned();
    for name in names {
        script += &format!(
            "INSERT INTO sessions (uuid, user_id, id, name, expires_at, created_at, updated_at, dialect, client_ip, \
             user_agent, authentications, second_factor_pending) SELECT {uuid}, (SELECT id FROM users WHERE username = '{name}'), \
             {BEGINNING} + g, 'Firefox on Linux', {now} + {month} + g, {now} - g, {now} - g, 'current', \
             '192.0.2.77', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', \
             'password@1700000000000', {no}{};\n",
            series(engine, 1, sessions)
        );
    }
    script += ending(engine);
    execute(bed, site, engine, &script).map(drop)
}

/// How many of the inserted sessions are left.
pub(crate) fn left(bed: &TestBed, site: &Site, engine: Engine) -> Result<u64> {
    let text = execute(bed, site, engine, &format!("SELECT count(*) FROM sessions WHERE id < {END};"))?;
    text.trim().parse().with_context(|| format!("not a number: {text}"))
}

/// Whether any row of a user's says that its session was ended.
pub(crate) fn has_ends(bed: &TestBed, site: &Site, engine: Engine, name: &str) -> Result<bool> {
    let first = format!(
        "SELECT 1 FROM sessions WHERE user_id = (SELECT id FROM users WHERE username = '{name}') \
         AND ended_at < expires_at LIMIT 1;"
    );
    Ok(!execute(bed, site, engine, &first)?.trim().is_empty())
}

/// Runs statements, and returns what they print.
pub(crate) fn execute(bed: &TestBed, site: &Site, engine: Engine, script: &str) -> Result<String> {
    let command = match engine {
        Engine::Sqlite => {
            let mut sqlite = Command::new("sqlite3");
            sqlite.args(["-batch", "-bail"]).arg(site.folder().join(DATABASE));
            sqlite
        }
        Engine::Postgres => bed.psql(&site.database),
    };
    run(command, script)
}

/// Runs a program that reads statements, and returns what it prints.
pub(crate) fn run(mut command: Command, script: &str) -> Result<String> {
    let mut file = tempfile::tempfile()?;
    file.write_all(script.as_bytes())?;
    std::io::Seek::rewind(&mut file)?;
    command.stdin(file);
    process::output(command)
}

fn batches(count: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..count).step_by(BATCH as usize).map(move |first| (first + 1, (first + BATCH).min(count)))
}

fn series(engine: Engine, first: u64, last: u64) -> String {
    match engine {
        Engine::Postgres => format!(" FROM generate_series({first}, {last}) g"),
        Engine::Sqlite => format!(
            " FROM (WITH RECURSIVE series (g) AS (SELECT {first} UNION ALL SELECT g + 1 FROM series WHERE g < {last}) \
             SELECT g FROM series)"
        ),
    }
}

fn users_sql(SqlDialect { uuid, no, now, .. }: &SqlDialect) -> String {
    format!(
        "INSERT INTO users (id, uuid, username, username_key, email, email_key, password_hash, credential_version, \
         staff, has_second_factor, created_at, updated_at) SELECT g, {uuid}, 'bulk' || g, 'bulk' || g, \
         'bulk' || g || '@example.org', 'bulk' || g || '@example.org', '', 1, {no}, {no}, {now} - g, {now} - g"
    )
}

/// Live ones, unless they are of a kind of which some or all have ended.
fn sessions_sql(
    SqlDialect { uuid, yes, no, now }: &SqlDialect,
    owner: &str,
    digest: &str,
    kind: Option<SessionKind>,
) -> String {
    let over = match kind {
        Some(SessionKind::Kept) => "g % 3 = 0",
        Some(SessionKind::Old) => "g > 0",
        None => "g < 0",
    };
    // Long enough ago to be pruned, or not.
    let age = DAY_MILLIS * if kind == Some(SessionKind::Old) { 200 } else { 20 };
    let made = format!("{now} - {age} - g % 1000000");
    let year = DAY_MILLIS * 365;
    // Two users share an address. Of a hundred sessions, one has its second factor pending, or had when it ended.
    let address = [131_072, 512, 2].map(|part| format!("'.' || ({owner} / {part} % 256)")).join(" || ");
    let address = format!("'10' || {address}");
    let [first, second, third, fourth] = DIALECTS;
    let dialect =
        format!("CASE g % 4 WHEN 0 THEN '{first}' WHEN 1 THEN '{second}' WHEN 2 THEN '{third}' ELSE '{fourth}' END");
    let pending = format!("CASE WHEN g % 100 = 1 AND {} THEN {yes} ELSE {no} END", kind.is_some());
    format!(
        "INSERT INTO sessions (uuid, user_id, id, opaque_digest, name, expires_at, created_at, updated_at, dialect, \
         client_ip, user_agent, authentications, second_factor_pending, ended_at, ended_by, end_reason) \
         SELECT {uuid}, {owner}, {BEGINNING} + g, {digest}, 'Firefox on Linux', {now} + {year}, \
         {made}, {made}, {dialect}, {address}, \
         'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'password@1700000000000', {pending}, \
         CASE WHEN {over} THEN {made} + 1000 END, CASE WHEN {over} THEN 'command_line' END, \
         CASE WHEN {over} THEN 'operator' END"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_everything_once() {
        assert_eq!(batches(10).collect::<Vec<_>>(), [(1, 10)]);
        assert_eq!(batches(BATCH + 1).collect::<Vec<_>>(), [(1, BATCH), (BATCH + 1, BATCH + 1)]);
    }
    #[test]
    fn digests_are_of_the_tokens() {
        let script = digests_sql(501);
        assert_eq!(script.matches("INSERT").count(), 2);
        // printf %032d 501 | sha256sum
        assert!(script.ends_with(";\nINSERT INTO digests VALUES (501, x'9c21fef5e1cbff9bded838b99256693f2d90fae1c78d66fb191385e208989e81');\n"), "{script}");
    }
}
