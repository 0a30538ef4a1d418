//! Who has the database file: whoever works with it holds a lock on a file beside it, which ends with the process,
//! however that ends. A restoration holds it alone. A server on Postgres needs none.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use crate::file::{FileError, beside, examine, folder_of, hand_over, resolve};
use crate::url::{DatabaseTarget, DatabaseUrl};

/// The most of the file that is repeated in a message.
const LONGEST_NOTE: usize = 200;

/// Why the database cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A restoration is under way.
    #[error("the database {} is being restored ({holder})", .path.display())]
    BeingRestored {
        /// The database.
        path: PathBuf,
        /// Who does it, as they said.
        holder: String,
    },
    /// Somebody works with it.
    #[error("the database {} is in use ({holder}): stop the server first", .path.display())]
    InUse {
        /// The database.
        path: PathBuf,
        /// Who it is, as they or the system say.
        holder: String,
    },
    /// The file of the lock, or the database, is at fault.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A hold on the database, until it is dropped.
#[derive(Debug)]
pub struct DatabaseLock {
    file: Option<File>,
    signed: bool,
}

impl DatabaseLock {
    /// Keeps restorations of a database that is there away, and nobody else.
    ///
    /// # Errors
    /// Where there is none, a restoration is under way, or the folder cannot be written.
    pub fn share(url: &DatabaseUrl) -> Result<Self, LockError> {
        if let DatabaseTarget::Sqlite(path) = &url.0 {
            match examine(path) {
                // A restoration that is under way is none that was cut short.
                Err(FileError::Unfinished(_)) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Self::share_or_make(url)
    }

    /// The same for a database that may be made.
    ///
    /// # Errors
    /// Where a restoration is under way, or the folder cannot be written.
    pub fn share_or_make(url: &DatabaseUrl) -> Result<Self, LockError> {
        let DatabaseTarget::Sqlite(path) = &url.0 else { return Ok(Self { file: None, signed: false }) };
        let path = resolve(path)?;
        let file = lock_file(&path)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self { file: Some(file), signed: false }),
            Err(TryLockError::WouldBlock) => Err(LockError::BeingRestored { holder: note(&path), path }),
            Err(TryLockError::Error(error)) => Err(FileError::refused(&beside(&path, "-lock"), "locked", error).into()),
        }
    }

    /// Keeps everybody away. Programs that do not know this lock, but have the file open with SQLite, are noticed too.
    ///
    /// # Errors
    /// Where anybody works with the database.
    pub fn exclude(path: &Path) -> Result<Self, LockError> {
        let path = resolve(path)?;
        let file = lock_file(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::InUse { holder: note(&path), path }),
            Err(TryLockError::Error(error)) => {
                return Err(FileError::refused(&beside(&path, "-lock"), "locked", error).into());
            }
        }
        for file in [path.clone(), beside(&path, "-shm")] {
            if let Some(holder) = other_holder(&file).map_err(|error| FileError::refused(&file, "read", error))? {
                return Err(LockError::InUse { path, holder });
            }
        }
        Ok(Self { file: Some(file), signed: false })
    }

    /// Writes down who holds it, for the messages of others.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn sign(&mut self, who: &str) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        self.signed = true;
        file.set_len(0)?;
        file.rewind()?;
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let at = if host.is_empty() { String::new() } else { format!(" on {}", host.trim_end()) };
        writeln!(file, "{who}, process {}{at}", std::process::id())
    }
}

impl Drop for DatabaseLock {
    fn drop(&mut self) {
        if let Some(file) = self.file.as_ref().filter(|_| self.signed) {
            // A note that stays makes a message say too much, and does no other harm.
            file.set_len(0).ok();
        }
    }
}

/// Opens the file of the lock. What makes it gives it to the database's owner, or to that of the folder.
fn lock_file(database: &Path) -> Result<File, FileError> {
    let path = beside(database, "-lock");
    let refused = |error| FileError::refused(&path, "opened", error);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(file) => {
            hand_over(&path, if database.exists() { database } else { folder_of(database) });
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().read(true).write(true).open(&path).map_err(refused)
        }
        Err(error) => Err(refused(error)),
    }
}

/// What the holder has written down.
fn note(database: &Path) -> String {
    let text = fs::read_to_string(beside(database, "-lock")).unwrap_or_default();
    let text: String = text.chars().filter(|character| !character.is_control()).take(LONGEST_NOTE).collect();
    if text.is_empty() { "by another command".to_owned() } else { text }
}

/// Who holds one of SQLite's own locks on a file: whoever has it open in WAL mode does, paused or not, and whoever
/// else is reading or writing.
#[cfg(unix)]
pub(crate) fn other_holder(path: &Path) -> io::Result<Option<String>> {
    use rustix::process::{Flock, FlockType, fcntl_getlk};
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Of the whole file: SQLite's locks are far behind its end, or at the beginning of the index of the log.
    let held = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))?;
    let process = |lock: Flock| match lock.pid {
        Some(pid) => format!("process {}", pid.as_raw_nonzero()),
        None => "another program".to_owned(),
    };
    Ok(held.filter(|lock| lock.typ != FlockType::Unlocked).map(process))
}

#[cfg(not(unix))]
pub(crate) fn other_holder(_path: &Path) -> io::Result<Option<String>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_share_the_database_and_one_excludes_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let url = DatabaseUrl::sqlite(&path);
        assert!(matches!(DatabaseLock::share(&url), Err(LockError::File(FileError::Missing(_)))));
        fs::write(&path, "").unwrap();
        let mut server = DatabaseLock::share(&url).unwrap();
        server.sign("a server").unwrap();
        let tool = DatabaseLock::share(&url).unwrap();
        let refused = DatabaseLock::exclude(&path).unwrap_err().to_string();
        assert!(refused.contains(&format!("a server, process {}", std::process::id())), "{refused}");
        drop(server);
        let refused = DatabaseLock::exclude(&path).unwrap_err().to_string();
        assert!(refused.contains("by another command"), "{refused}");
        drop(tool);
        let mut restoration = DatabaseLock::exclude(&path).unwrap();
        restoration.sign("a restoration").unwrap();
        let refused = DatabaseLock::share(&url).unwrap_err();
        assert!(matches!(&refused, LockError::BeingRestored { holder, .. } if holder.starts_with("a restoration, ")));
        drop(restoration);
        assert!(DatabaseLock::share(&url).is_ok());
    }

    #[test]
    fn two_names_of_one_file_share_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("x.db"), folder.path().join("y.db"));
        fs::write(&path, "").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let _server = DatabaseLock::share(&DatabaseUrl::sqlite(&link)).unwrap();
        assert!(matches!(DatabaseLock::exclude(&path), Err(LockError::InUse { .. })));
    }

    #[test]
    fn a_lock_that_cannot_be_made_names_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        fs::create_dir(beside(&path, "-lock")).unwrap();
        let refused = DatabaseLock::share_or_make(&DatabaseUrl::sqlite(&path)).unwrap_err().to_string();
        assert!(refused.contains("x.db-lock") && refused.contains("belongs to user"), "{refused}");
        let nowhere = DatabaseLock::exclude(&folder.path().join("no/x.db")).unwrap_err().to_string();
        assert!(nowhere.contains("no/x.db-lock"), "{nowhere}");
    }
}
