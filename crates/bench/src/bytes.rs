//! `cargo xtask bench bytes`: what rows and their indexes take, on either engine.

use anyhow::{Context, Result};

use crate::bulk::{self, SessionKind};
use crate::decimal;
use thunderhead_system_tests::live::TestBed;
use thunderhead_system_tests::live::site::{Engine, Site};

/// The tables that grow with people and what they do, and what they grow with.
const TABLES: [(&str, &str); 3] = [("users", "a user"), ("sessions", "a session"), ("audit", "a record")];

/// A record for each session, as its opening leaves one that has been told in the feed.
const RECORDS: &str = "INSERT INTO audit (at, actor, client_ip, kind, user_id, session_uuid, feed_number, feed_nonce, \
                       user_uuid, session_id, session_expires_at) \
                       SELECT sessions.created_at, 'user:' || sessions.user_id, sessions.client_ip, 'logged-in', \
                       sessions.user_id, sessions.uuid, row_number() OVER (ORDER BY sessions.id), 4611686018427387904, \
                       users.uuid, sessions.id, sessions.expires_at \
                       FROM sessions JOIN users ON users.id = sessions.user_id ORDER BY sessions.id;\n";

/// Each table and index by its size, after a `|` the table that it is of.
const ON_POSTGRES: &str = "VACUUM ANALYZE; SELECT relname, coalesce(indrelid, pg_class.oid)::regclass, \
                           pg_relation_size(pg_class.oid) \
                           FROM pg_class LEFT JOIN pg_index ON indexrelid = pg_class.oid \
                           WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i');\n";
const ON_SQLITE: &str = "SELECT name, (SELECT tbl_name FROM sqlite_master AS schema WHERE schema.name = dbstat.name), \
                         sum(pgsize) FROM dbstat GROUP BY name;\n";

/// Fills a database with so many sessions of a tenth as many users, and a record of each, and prints what they take.
pub(crate) fn run(bed: &TestBed, sessions: u64) -> Result<()> {
    println!("| what | each, bytes | indexes of that | largest | together at {} sessions |", decimal(sessions));
    println!("|---|---|---|---|---|");
    for engine in Engine::BOTH {
        let site = Site::new(bed, engine)?;
        site.operate(&["migrate"], "")?;
        bulk::insert(bed, &site, engine, sessions, SessionKind::Kept)?;
        let sizes = match engine {
            Engine::Postgres => ON_POSTGRES,
            Engine::Sqlite => ON_SQLITE,
        };
        bulk::execute(bed, &site, engine, RECORDS)?;
        let sizes = bulk::execute(bed, &site, engine, sizes)?;
        let sizes = sizes.lines().map(|line| Size::parse(line).with_context(|| format!("not a size: {line}")));
        let sizes = sizes.collect::<Result<Vec<_>>>()?;
        for (table, what) in TABLES {
            let rows = if table == "users" { bulk::users(sessions) } else { sessions };
            tell(&format!("{what}, {engine}"), table, rows, &sizes);
        }
        site.remove(bed)?;
    }
    Ok(())
}

#[derive(Debug, PartialEq)]
struct Size {
    name: String,
    table: String,
    bytes: u64,
}

impl Size {
    /// `name|table|bytes`
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('|').map(str::to_owned);
        let (name, table, bytes) = (fields.next()?, fields.next()?, fields.next()?.parse().ok()?);
        Some(Self { name, table, bytes })
    }
}

fn tell(what: &str, table: &str, rows: u64, sizes: &[Size]) {
    let of_table = || sizes.iter().filter(|size| size.table == table);
    let all: u64 = of_table().map(|size| size.bytes).sum();
    let indexes: u64 = of_table().filter(|size| size.name != table).map(|size| size.bytes).sum();
    let each = |bytes: u64| bytes as f64 / rows as f64;
    let mut largest: Vec<_> = of_table().filter(|size| size.name != table).collect();
    largest.sort_by_key(|size| std::cmp::Reverse(size.bytes));
    let largest = largest.iter().take(3).map(|size| format!("`{}` {:.0}", size.name, each(size.bytes)));
    let largest = largest.collect::<Vec<_>>().join(", ");
    let together = all as f64 / 1_048_576.0;
    println!("| {what} | {:.0} | {:.0} | {largest} | {together:.0} MiB |", each(all), each(indexes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read() {
        let size = Size { name: "audit_at".to_owned(), table: "audit".to_owned(), bytes: 8_192 };
        assert_eq!(Size::parse("audit_at|audit|8192"), Some(size));
        assert_eq!(Size::parse("audit_at"), None);
    }
}
