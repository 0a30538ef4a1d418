//! Where the database is: `sqlite://path`, or `postgres://…` as libpq reads it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A database URL. Neither its `Debug` nor its `Display` shows the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(pub(crate) DatabaseTarget);

/// What a URL points to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum DatabaseTarget {
    /// A file.
    Sqlite(PathBuf),
    /// A server: the whole URL, for libpq.
    Postgres(String),
}

/// A text that is no database URL. Its messages never repeat more of the text than the scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    /// Something else than the two engines.
    #[error("the database URL scheme `{0}` is not known: use sqlite:// or postgres://")]
    UnknownScheme(String),
    /// No scheme at all.
    #[error("a database URL begins with sqlite:// or postgres://")]
    NoScheme,
    /// `sqlite://` and nothing that can be a file.
    #[error("a sqlite:// URL names a file: sqlite://relative/path or sqlite:///absolute/path, without parameters")]
    NoFile,
}

impl DatabaseUrl {
    /// An SQLite file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(DatabaseTarget::Sqlite(path.into()))
    }

    /// The file, if it is one: several replicas cannot share it, and its secrets may lie beside it.
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.0 {
            DatabaseTarget::Sqlite(path) => Some(path),
            DatabaseTarget::Postgres(_) => None,
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidDatabaseUrl::NoScheme)?;
        match scheme {
            "sqlite" if names_file(rest) => Ok(Self(DatabaseTarget::Sqlite(PathBuf::from(rest)))),
            "sqlite" => Err(InvalidDatabaseUrl::NoFile),
            "postgres" | "postgresql" => Ok(Self(DatabaseTarget::Postgres(text.to_owned()))),
            other if is_scheme(other) => Err(InvalidDatabaseUrl::UnknownScheme(other.to_owned())),
            _ => Err(InvalidDatabaseUrl::NoScheme),
        }
    }
}

/// Parameters are refused rather than made part of a file name, and so is SQLite's database in memory, which
/// several connections cannot share.
fn names_file(rest: &str) -> bool {
    !rest.is_empty() && rest != ":memory:" && !rest.ends_with('/') && !rest.contains(['?', '\0'])
}

/// RFC 3986, section 3.1. What has another form may be anything, a password included, and is not repeated.
fn is_scheme(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(known)
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            DatabaseTarget::Sqlite(path) if may_hold_credentials(path) => f.write_str("sqlite://…"),
            DatabaseTarget::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            DatabaseTarget::Postgres(url) => f.write_str(&redacted(url)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// User, host and path; parameters are left out, for one of them may be a password. A user without a password may be a
/// secret in the wrong place. Where a password that should have been percent-encoded makes it unclear what is what,
/// nothing is shown.
fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "…".to_owned() };
    let (base, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    if parameters.contains('@') || base.matches('@').count() > 1 {
        return format!("{scheme}://…");
    }
    match base.split_once('@') {
        None => format!("{scheme}://{}", redacted_place(base)),
        Some((_, place)) if !names_hosts(place, |port| port.parse::<u16>().is_ok()) => format!("{scheme}://…"),
        Some((credentials, place)) => match credentials.split_once(':') {
            Some((user, password)) if !password.is_empty() => format!("{scheme}://{user}:…@{place}"),
            _ => format!("{scheme}://…@{place}"),
        },
    }
}

/// What a URL without credentials shows. Where `@host` was forgotten, they stand where a host and its port should, so
/// nothing is shown from a colon on, for a password may be a number; unless what is before it can hardly be a user.
fn redacted_place(place: &str) -> String {
    let is_host = |host: &str| host.contains(['.', '[']) || host.starts_with("localhost:");
    let certain = place.split_once('/').is_some_and(|(hosts, _)| hosts.split(',').all(is_host));
    if names_hosts(place, |port| certain && port.parse::<u16>().is_ok()) {
        return place.to_owned();
    }
    match place.split_once(':') {
        Some((host, _)) if !host.contains('/') && names_hosts(host, |_port| false) => format!("{host}:…"),
        _ => "…".to_owned(),
    }
}

/// Whether all before the path is hosts: names, addresses, or percent-encoded folders of sockets.
fn names_hosts(place: &str, is_port: impl Fn(&str) -> bool) -> bool {
    let known = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
    let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
    let names_host = |host: &str| {
        let (name, after) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, after)) => (address.replace([':', '%'], ""), after),
            None => {
                let (name, after) = host.split_at(host.find(':').unwrap_or(host.len()));
                (name.replace("%2F", "").replace("%2f", ""), after)
            }
        };
        name.chars().all(known) && (after.is_empty() || after.strip_prefix(':').is_some_and(&is_port))
    };
    hosts.split(',').all(names_host) && !path.contains(':')
}

/// A relative path that looks like the credentials of a URL for a server.
fn may_hold_credentials(path: &Path) -> bool {
    path.is_relative() && path.to_string_lossy().contains([':', '@'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DatabaseUrl, InvalidDatabaseUrl> {
        text.parse()
    }

    #[test]
    fn a_sqlite_url_names_a_file_relative_or_absolute() {
        assert_eq!(parse("sqlite://data/thunderhead.db"), Ok(DatabaseUrl::sqlite("data/thunderhead.db")));
        assert_eq!(parse("sqlite:///var/lib/x.db"), Ok(DatabaseUrl::sqlite("/var/lib/x.db")));
        for text in ["sqlite://", "sqlite://:memory:", "sqlite://data/", "sqlite://x.db?mode=rwc", "sqlite://a\0b"] {
            assert_eq!(parse(text), Err(InvalidDatabaseUrl::NoFile), "{text:?}");
        }
    }

    #[test]
    fn another_scheme_is_named_and_nothing_else_of_the_url() {
        for text in ["mysql://root:secret@host/db", "mysql://secret"] {
            let error = parse(text).unwrap_err();
            assert_eq!(error, InvalidDatabaseUrl::UnknownScheme("mysql".to_owned()));
            assert!(!error.to_string().contains("secret"));
        }
        for text in ["", "data/x.db", "sqlite:x.db", "://x", "root:secret@host/db://x", "Postgres: //x"] {
            assert_eq!(parse(text), Err(InvalidDatabaseUrl::NoScheme), "{text:?}");
        }
        assert_eq!(parse("SQLITE://x"), Err(InvalidDatabaseUrl::UnknownScheme("SQLITE".to_owned())));
    }

    #[test]
    fn a_printed_url_shows_where_but_no_password() {
        let shown = |text: &str| (parse(text).unwrap().to_string(), format!("{:?}", parse(text).unwrap()));
        for text in [
            "postgres://ada:secret@db.example:5432/thunderhead",
            "postgresql://ada:secret@/db?host=/run/postgresql",
            "postgres://ada:sec@ret@db.example/db",
            "postgres://ada:p?secret@db.example/db",
            "postgres://db.example/db?user=ada&password=secret",
            "postgres://db.example/db?password=a@secret",
            "postgres://ada:a/secret@db.example/db",
            "postgres://secret:@db.example/db",
            "postgres://secret@db.example/db",
            "postgres://ada:secret",
            "postgresql://ada:secret/db",
            "postgres://ada:12/secret",
            "postgres://ada/db:secret",
            "postgres://ada%3Asecret",
            "postgres://ada:secret?host=db.example",
            "postgres://:secret",
            "postgres://ada:x@db.example:secret/db",
            "sqlite://ada:secret@db.example",
            "sqlite://ada:secret",
            "sqlite://ada:x/secret@db.example",
        ] {
            let (display, debug) = shown(text);
            assert!(!display.contains("sec") && !debug.contains("sec"), "{display}");
        }
        for (url, display) in [
            ("postgres://ada:secret@db:5432/x?sslmode=require", "postgres://ada:…@db:5432/x"),
            ("postgres://ada:secret@[fe80::1%25eth0]:5432/x", "postgres://ada:…@[fe80::1%25eth0]:5432/x"),
            ("postgres://ada:secret@db-1:5432,db-2:5433/x", "postgres://ada:…@db-1:5432,db-2:5433/x"),
            ("postgres:///x", "postgres:///x"),
            ("postgres://db.example/x", "postgres://db.example/x"),
            ("postgres://%2Frun%2Fpostgresql/x", "postgres://%2Frun%2Fpostgresql/x"),
            // It may be a port, or a password without its host.
            ("postgres://ada:8675", "postgres://ada:…"),
            ("postgres://ada:8675/x", "postgres://ada:…"),
            ("postgres://db.example:5432/x", "postgres://db.example:5432/x"),
            ("postgres://localhost:5432/x", "postgres://localhost:5432/x"),
            ("postgres://[::1]:5432/x", "postgres://[::1]:5432/x"),
            ("sqlite:///var/lib/a:b@c.db", "sqlite:///var/lib/a:b@c.db"),
        ] {
            assert_eq!(shown(url).0, display);
        }
    }
}
