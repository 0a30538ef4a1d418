//! The SQLite file as the system sees it, before SQLite opens it: SQLite makes a database out of an empty file, opens
//! for reading alone what it may not write, and adds its tables to those of any other program.

use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What a restored file is called, beside the database, until it has its name.
pub(crate) const RESTORED: &str = "-restored";

/// Why a file is not, or cannot be used as, the database.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is none.
    #[error("there is no database file {}", .0.display())]
    Missing(PathBuf),
    /// A folder has the name.
    #[error("{} is a folder, and the database is a file", .0.display())]
    Folder(PathBuf),
    /// A link that leads nowhere.
    #[error("{} is a symbolic link to {}, which is not there", .path.display(), .target.display())]
    DanglingLink {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Something else has the name.
    #[error("{} is not an SQLite database", .0.display())]
    NotSqlite(PathBuf),
    /// SQLite would delete the write-ahead log of an empty file, which may hold all that there was.
    #[error(
        "{path} is empty, and {path}-wal beside it is not: something has emptied the database. Put it back from a \
         backup (`thunderhead restore`), or move both files away to begin anew", path = .0.display()
    )]
    Emptied(PathBuf),
    /// SQLite cannot read it.
    #[error("the database file {} is damaged; `thunderhead restore` puts a backup in its place", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Its tables are another program's.
    #[error("{} is a database of another program: none of its tables is known here", .0.display())]
    Foreign(PathBuf),
    /// A restoration has begun to put files aside.
    #[error(
        "a restoration of {} was cut short: `thunderhead restore --finish` puts the restored database in its place. \
         Until then nothing opens it", .0.display()
    )]
    Unfinished(PathBuf),
    /// SQLite or the system refuses.
    #[error("the database file {} cannot be {what} ({owner})", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What cannot be done.
        what: &'static str,
        /// Whose it is, and who asks.
        owner: String,
        /// What SQLite or the system says.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl FileError {
    /// Names the file, its owner and who asks beside what SQLite or the system says.
    pub(crate) fn refused(path: &Path, what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        // Diesel gives SQLite's own words, and no code.
        let words = source.to_string();
        if words.contains(NOT_A_DATABASE) {
            return Self::NotSqlite(path.to_owned());
        }
        if is_damage(&words) {
            return Self::Damaged { path: path.to_owned(), source };
        }
        Self::Refused { path: path.to_owned(), what, owner: ownership(path), source }
    }
}

/// What SQLite says of a file whose beginning is another.
const NOT_A_DATABASE: &str = "is not a database";

/// Whether SQLite says that what it reads is damaged, or nothing of its own.
pub(crate) fn is_damage(words: &str) -> bool {
    words.contains("is malformed") || words.contains(NOT_A_DATABASE)
}

/// The file beside a database that has its name and this suffix.
pub fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(suffix);
    PathBuf::from(name)
}

/// The file that a name leads to: links are followed, as SQLite does for the files beside it.
///
/// # Errors
/// Where the system refuses, or a link leads nowhere.
pub fn resolve(path: &Path) -> Result<PathBuf, FileError> {
    match fs::canonicalize(path) {
        Ok(resolved) => Ok(resolved),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(target) => Err(FileError::DanglingLink { path: path.to_owned(), target }),
            Err(_) => Ok(path.to_owned()),
        },
        Err(error) => Err(FileError::refused(path, "found", error)),
    }
}

/// Makes sure that a file that is there can be the database, as far as the system knows. An empty file may: it becomes
/// one. The file is not opened: to close it would drop the locks that SQLite holds on it elsewhere in this process.
pub(crate) fn examine(path: &Path) -> Result<(), FileError> {
    let path = resolve(path)?;
    if is_unfinished(&path) {
        return Err(FileError::Unfinished(path));
    }
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FileError::Missing(path)),
        Err(error) => Err(FileError::refused(&path, "read", error)),
        Ok(metadata) if metadata.is_dir() => Err(FileError::Folder(path)),
        Ok(metadata) if metadata.len() == 0 && has_log(&path) => Err(FileError::Emptied(path)),
        Ok(_) => Ok(()),
    }
}

fn has_log(database: &Path) -> bool {
    fs::metadata(beside(database, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// Gives a file to whoever owns another one, where we may: root works on files of the server's, and must not leave
/// any that the server cannot use.
#[cfg(unix)]
pub(crate) fn hand_over(path: &Path, like: &Path) {
    use std::os::unix::fs::{MetadataExt, chown};
    if !rustix::process::geteuid().is_root() {
        return;
    }
    if let Ok(owner) = fs::metadata(like) {
        chown(path, Some(owner.uid()), Some(owner.gid())).ok();
    }
}

#[cfg(not(unix))]
pub(crate) fn hand_over(_path: &Path, _like: &Path) {}

pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes sure that the names in a folder survive a power cut.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Whose a file is, or the folder that it would be in, and who asks.
#[cfg(unix)]
pub(crate) fn ownership(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let known = |path: &Path| fs::metadata(path).map(|metadata| (metadata.uid(), metadata.mode() & 0o7777));
    let us = user_name(rustix::process::geteuid().as_raw());
    let folder = folder_of(path);
    match (known(path), known(folder)) {
        (Ok((owner, mode)), Ok((folder_owner, folder_mode))) => format!(
            "it belongs to {}, mode {mode:o}, in a folder of {}, mode {folder_mode:o}, and this process is {us}: let it \
             write both, or run it as their owner",
            user_name(owner),
            user_name(folder_owner)
        ),
        (Err(_), Ok((owner, mode))) => {
            format!(
                "its folder belongs to {}, mode {mode:o}, and this process is {us}: let it write there, or run it as the owner",
                user_name(owner)
            )
        }
        (_, Err(_)) => format!("this process, {us}, cannot enter its folder, or there is none"),
    }
}

#[cfg(not(unix))]
pub(crate) fn ownership(_path: &Path) -> String {
    "this process must be able to write it and its folder".to_owned()
}

/// An account by its name, where the machine's own list has it.
#[cfg(unix)]
fn user_name(user: u32) -> String {
    let list = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    });
    named.map_or_else(|| format!("user {user}"), |name| format!("user {user} ({name})"))
}

/// Whether a restoration has begun to put the old files aside, and not come to its end.
pub(crate) fn is_unfinished(database: &Path) -> bool {
    beside(database, RESTORED).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_database_is_told_before_sqlite_sees_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("x.db");
        assert!(matches!(examine(&path), Err(FileError::Missing(_))));
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &path).unwrap();
        assert!(matches!(examine(&path), Err(FileError::DanglingLink { .. })));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(examine(&path), Err(FileError::Folder(_))));
        fs::remove_dir(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert!(examine(&path).is_ok());
        fs::write(beside(&path, "-wal"), "x").unwrap();
        let emptied = examine(&path).unwrap_err();
        assert!(emptied.to_string().contains(&format!("{}-wal", path.display())), "{emptied}");
        fs::remove_file(beside(&path, "-wal")).unwrap();
        fs::write(beside(&path, "-restored"), "x").unwrap();
        assert!(matches!(examine(&path), Err(FileError::Unfinished(_))));
    }

    #[test]
    fn owners_are_named_with_who_asks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        assert!(ownership(&path).starts_with("its folder belongs to user "));
        fs::write(&path, "").unwrap();
        let both = ownership(&path);
        assert!(both.starts_with("it belongs to user ") && both.contains("this process is user "), "{both}");
        assert!(ownership(&folder.path().join("no/x.db")).contains("cannot enter its folder"));
        assert_eq!(user_name(u32::MAX - 7), "user 4294967288");
    }
}
