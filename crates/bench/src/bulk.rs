//! Rows in bulk, by SQL, past the server.

use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use thunderhead_system_tests::live::TestBed;
use thunderhead_system_tests::live::site::{Engine, Site};
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
    /// Live ones whose tokens are known: [`token_of`]. On Postgres alone, which can make digests.
    Opaque,
}

struct SqlDialect {
    uuid: &'static str,
    no: &'static str,
    now: &'static str,
    digest: &'static str,
}

const SQLITE: SqlDialect =
    SqlDialect { uuid: "randomblob(16)", no: "0", now: "(SELECT unixepoch() * 1000)", digest: "NULL" };

const POSTGRES: SqlDialect = SqlDialect {
    uuid: "uuid_send(gen_random_uuid())",
    no: "FALSE",
    now: "(SELECT (extract(epoch FROM now()) * 1000)::bigint)",
    digest: "sha256(convert_to(md5('t' || g), 'UTF8'))",
};

/// Inserts so many sessions, of a tenth as many users, into a database that has been migrated. Returns the seconds
/// that it took.
pub(crate) fn insert(bed: &TestBed, site: &Site, engine: Engine, sessions: u64, kind: SessionKind) -> Result<f64> {
    let begun = Instant::now();
    let dialect = if engine == Engine::Sqlite { &SQLITE } else { &POSTGRES };
    let users = if kind == SessionKind::Opaque { sessions } else { (sessions / SESSIONS_EACH).max(1) };
    let mut script = String::new();
    if engine == Engine::Sqlite {
        script += "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000;\n";
    }
    for (first, last) in batches(users) {
        script += &format!("{}{};\n", users_sql(dialect), series(engine, first, last));
    }
    for (first, last) in batches(sessions) {
        script += &format!("{}{};\n", sessions_sql(dialect, users, kind), series(engine, first, last));
    }
    script += if engine == Engine::Sqlite { "PRAGMA journal_mode = WAL;\n" } else { "VACUUM ANALYZE;\n" };
    execute(bed, site, engine, &script)?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Inserts so many live sessions of each of these users, who are there.
pub(crate) fn insert_of(bed: &TestBed, site: &Site, engine: Engine, names: &[&str], sessions: u64) -> Result<()> {
    let dialect = if engine == Engine::Sqlite { &SQLITE } else { &POSTGRES };
    let SqlDialect { uuid, no, now, .. } = dialect;
    let month = DAY_MILLIS * 30;
    let mut script = String::new();
    if engine == Engine::Sqlite {
        script += "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000;\n";
    } else {
        // Vacuum marks no page as visible to all whose commit has not reached the log, and counting then reads the table.
        script += "SET synchronous_commit = on;\n";
    }
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
    script += if engine == Engine::Sqlite { "PRAGMA journal_mode = WAL;\n" } else { "VACUUM ANALYZE;\n" };
    execute(bed, site, engine, &script).map(drop)
}

/// The token of one of the sessions whose tokens are known, counted from 1, as SQL.
pub(crate) fn tokens(bed: &TestBed, site: &Site, count: u64) -> Result<Vec<String>> {
    let text = bed.sql(&site.database, &format!("SELECT md5('t' || g) FROM generate_series(1, {count}) g"))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// How many of the inserted sessions are left.
pub(crate) fn left(bed: &TestBed, site: &Site, engine: Engine) -> Result<u64> {
    let text = execute(bed, site, engine, &format!("SELECT count(*) FROM sessions WHERE id < {END};"))?;
    text.trim().parse().with_context(|| format!("not a number: {text}"))
}

/// Runs statements, and returns what they print.
fn execute(bed: &TestBed, site: &Site, engine: Engine, script: &str) -> Result<String> {
    let mut command = match engine {
        Engine::Sqlite => {
            let mut sqlite = Command::new("sqlite3");
            sqlite.args(["-batch", "-bail"]).arg(site.folder().join("thunderhead.db"));
            sqlite
        }
        Engine::Postgres => bed.psql(&site.database),
    };
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

fn sessions_sql(SqlDialect { uuid, no, now, digest }: &SqlDialect, users: u64, kind: SessionKind) -> String {
    let digest = if kind == SessionKind::Opaque { digest } else { "NULL" };
    let over = match kind {
        SessionKind::Kept => "g % 3 = 0",
        SessionKind::Old => "g > 0",
        SessionKind::Opaque => "g < 0",
    };
    // Long enough ago to be pruned, or not.
    let age = DAY_MILLIS * if kind == SessionKind::Old { 200 } else { 20 };
    let made = format!("{now} - {age} - g % 1000000");
    let year = DAY_MILLIS * 365;
    format!(
        "INSERT INTO sessions (uuid, user_id, id, opaque_digest, name, expires_at, created_at, updated_at, dialect, \
         client_ip, user_agent, authentications, second_factor_pending, ended_at, ended_by, end_reason) \
         SELECT {uuid}, g % {users} + 1, {BEGINNING} + g, {digest}, 'Firefox on Linux', {now} + {year}, \
         {made}, {made}, 'current', '192.0.2.77', \
         'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'password@1700000000000', {no}, \
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
}
