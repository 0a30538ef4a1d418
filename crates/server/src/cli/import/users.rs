//! A file with an account on each line, as JSON (`docs/MIGRATING.md`).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};

use serde::Deserialize;
use thunderhead_auth::import::totp_secret;
use thunderhead_domain::id::UserUuid;
use thunderhead_domain::import::{
    AccountSource, LeftOut, Remark, SourceAccount, SourceError, SourceFactor, SourceFactorMaterial, SourceItem,
    SourceNames, SourceSecret,
};
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use super::super::moment::moment;

/// The longest line that is read, in bytes.
const LONGEST: u64 = 64 * 1_024;

/// The accounts of such a file.
pub(super) struct UsersFile {
    lines: BufReader<File>,
    number: u64,
    now: Timestamp,
}

/// One line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    username: String,
    email: String,
    password_hash: Option<String>,
    totp: Option<OneOrMany>,
    verified: Option<Since>,
    banned: Option<Since>,
    #[serde(default)]
    staff: bool,
    created: Option<String>,
    uuid: Option<Uuid>,
}

/// Names alone, of a line that may be no good otherwise.
#[derive(Deserialize)]
struct Names {
    username: String,
    email: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Whether, or since when.
#[derive(Deserialize)]
#[serde(untagged)]
enum Since {
    Flag(bool),
    Moment(String),
}

impl UsersFile {
    /// Opens a file, or the standard input as `-`. What cannot be read twice is copied into a temporary file first, which
    /// nobody else can open.
    ///
    /// # Errors
    /// Where the system refuses.
    pub(super) fn open(path: &str, now: Timestamp) -> io::Result<Self> {
        let file = if path == "-" {
            copied(&mut io::stdin().lock())?
        } else {
            let mut file = File::open(path)?;
            if file.metadata()?.is_file() { file } else { copied(&mut file)? }
        };
        Ok(Self { lines: BufReader::new(file), number: 0, now })
    }

    /// The next line that is not empty: its text, or that it is too long. `None` at the end.
    fn line(&mut self) -> Result<Option<Result<Vec<u8>, ()>>, SourceError> {
        loop {
            self.number += 1;
            let mut line = Vec::new();
            let read = self.lines.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(broken)?;
            if read == 0 {
                return Ok(None);
            }
            if !line.ends_with(b"\n") && read as u64 == LONGEST {
                self.lines.skip_until(b'\n').map_err(broken)?;
                return Ok(Some(Err(())));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(Ok(line)));
            }
        }
    }

    fn account(&self, line: Line) -> Result<SourceAccount, String> {
        let Line { username, email, password_hash, totp, verified, banned, staff, created, uuid } = line;
        let created_at = created.map(|text| moment(&text)).transpose().map_err(|error| format!("created: {error}"))?;
        let created_at = created_at.unwrap_or(self.now);
        let since = |field: &str, since: Option<Since>| match since {
            None | Some(Since::Flag(false)) => Ok(None),
            Some(Since::Flag(true)) => Ok(Some(self.now)),
            Some(Since::Moment(text)) => moment(&text).map(Some).map_err(|error| format!("{field}: {error}")),
        };
        let source_id = match uuid {
            Some(uuid) => uuid.hyphenated().to_string(),
            None => format!("name:{}", username.to_ascii_lowercase()),
        };
        let secrets = match totp {
            None => Vec::new(),
            Some(OneOrMany::One(secret)) => vec![secret],
            Some(OneOrMany::Many(secrets)) => secrets,
        };
        let (mut factors, mut remarks) = (Vec::new(), Vec::new());
        for (number, secret) in (0..).zip(secrets) {
            let name = "Authenticator app".to_owned();
            match totp_secret(&secret) {
                Ok(secret) => factors.push(SourceFactor {
                    source_id: format!("{source_id}/totp/{number}"),
                    name,
                    material: SourceFactorMaterial::Totp { secret: SourceSecret(secret) },
                    used_at: None,
                    created_at,
                    updated_at: created_at,
                }),
                Err(why) => remarks.push(Remark::FactorLeftOut { name, why: why.to_owned() }),
            }
        }
        Ok(SourceAccount {
            factors,
            source_id,
            id: None,
            uuid: uuid.map(UserUuid),
            username,
            email,
            password: password_hash.map(SourceSecret),
            staff,
            verified_at: since("verified", verified)?,
            banned_at: since("banned", banned)?,
            created_at,
            updated_at: created_at,
            codes: Vec::new(),
            sessions: Vec::new(),
            continued: false,
            remarks,
        })
    }
}

impl AccountSource for UsersFile {
    fn names(&mut self, each: &mut dyn FnMut(SourceNames<'_>)) -> Result<(), SourceError> {
        while let Some(line) = self.line()? {
            let names = line.ok().and_then(|line| serde_json::from_slice::<Names>(&line).ok());
            if let Some(Names { username, email }) = &names {
                each(SourceNames { username, email });
            }
        }
        self.lines.rewind().map_err(broken)?;
        self.number = 0;
        Ok(())
    }

    fn next(&mut self) -> Result<Option<SourceItem>, SourceError> {
        let Some(line) = self.line()? else { return Ok(None) };
        let account = match line {
            Err(()) => Err(format!("it is longer than {LONGEST} bytes")),
            // The parser's words would repeat what stands there.
            Ok(line) => match serde_json::from_slice::<Line>(&line) {
                Ok(line) => self.account(line),
                Err(error) => Err(described(&error)),
            },
        };
        Ok(Some(match account {
            Ok(account) => SourceItem::Account(Box::new(account)),
            Err(why) => SourceItem::Unreadable { who: format!("line {}", self.number), why: LeftOut::Unreadable(why) },
        }))
    }
}

/// What is wrong with a line, without repeating any of it but the names of fields.
fn described(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("missing field") || text.starts_with("duplicate field") || text.starts_with("unknown field") {
        return text;
    }
    match error.classify() {
        serde_json::error::Category::Data => format!("a value is of the wrong type at column {}", error.column()),
        _ => "it is no JSON object".to_owned(),
    }
}

fn copied(from: &mut impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(from, &mut file)?;
    file.rewind()?;
    Ok(file)
}

fn broken(error: io::Error) -> SourceError {
    SourceError::Unfit(format!("cannot be read: {error}"))
}

#[cfg(test)]
mod tests;
