//! A database file that nobody works with and that stands alone, as a backup does: what another backup may replace.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::backup::snapshot::{Snapshot, SnapshotError};
use crate::file::{FileError, beside};
use crate::lock::other_holder;

/// What lies beside a database that is worked with, and not beside a backup.
const COMPANIONS: [&str; 5] = ["-lock", "-wal", "-shm", "-journal", "-restored"];

/// Why a file is none.
#[derive(Debug, thiserror::Error)]
pub enum SpareError {
    /// A server or a command has worked with it as its database.
    #[error("a server works or has worked with it: {} is beside it", .0.display())]
    Database(PathBuf),
    /// Somebody has it open.
    #[error("it is in use ({0})")]
    InUse(String),
    /// It is no database of this program.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The system refuses.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Such a file, with a lock on it until it is dropped.
#[derive(Debug)]
pub struct Spare {
    _lock: File,
}

impl Spare {
    /// Makes sure that an ordinary file is one.
    ///
    /// # Errors
    /// Where it is not.
    pub fn find(path: &Path) -> Result<Self, SpareError> {
        let refused = |error| SpareError::from(FileError::refused(path, "read", error));
        if let Some(companion) = companion(path) {
            return Err(SpareError::Database(companion));
        }
        if let Some(holder) = other_holder(path).map_err(refused)? {
            return Err(SpareError::InUse(holder));
        }
        Snapshot::of_file(path)?.missing_migrations()?;
        let file = File::open(path).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _lock: file }),
            Err(fs::TryLockError::WouldBlock) => Err(SpareError::InUse("by another command".to_owned())),
            Err(fs::TryLockError::Error(error)) => Err(refused(error)),
        }
    }
}

fn companion(path: &Path) -> Option<PathBuf> {
    COMPANIONS.iter().map(|suffix| beside(path, suffix)).find(|companion| companion.symlink_metadata().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DatabaseUrl, migrate};

    #[test]
    fn a_database_that_stands_alone_is_one_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        for foreign in ["", "a text that is no database"] {
            fs::write(&path, foreign).unwrap();
            assert!(matches!(Spare::find(&path), Err(SpareError::Snapshot(_))), "{foreign}");
        }
        fs::remove_file(&path).unwrap();
        migrate(&DatabaseUrl::sqlite(&path)).unwrap();
        for suffix in COMPANIONS {
            fs::remove_file(beside(&path, suffix)).ok();
        }
        let held = Spare::find(&path).unwrap();
        assert!(matches!(Spare::find(&path), Err(SpareError::InUse(_))));
        drop(held);
        for suffix in COMPANIONS {
            fs::write(beside(&path, suffix), "").unwrap();
            assert!(matches!(Spare::find(&path), Err(SpareError::Database(_))), "{suffix}");
            fs::remove_file(beside(&path, suffix)).unwrap();
        }
        assert!(Spare::find(&path).is_ok());
    }
}
