//! Files that SQLite has open, too. To close one, however it was opened, drops all locks that SQLite holds on it in this
//! process. So they are open once for all who read them, and closed when SQLite has deleted them: then nobody can come to
//! them any more, and who had them open is about to close them.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Global, because the system drops the locks of the whole process.
static OPEN: Mutex<Vec<Arc<File>>> = Mutex::new(Vec::new());

/// A file that is open as long as the process, or SQLite has not deleted it.
pub(super) struct OpenFile(Arc<File>);

impl OpenFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut open = open_files();
        open.retain(|file| Arc::strong_count(file) > 1 || !is_deleted(file));
        // Found without opening it: that would have to be closed again.
        let wanted = place(&fs::symlink_metadata(path)?);
        for file in &*open {
            if place(&file.metadata()?) == wanted {
                return Ok(Self(Arc::clone(file)));
            }
        }
        let file = Arc::new(File::open(path)?);
        open.push(Arc::clone(&file));
        Ok(Self(file))
    }

    pub(super) fn read_beginning(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(bytes, 0)
    }
}

fn open_files() -> MutexGuard<'static, Vec<Arc<File>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn place(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn is_deleted(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_open_once_until_it_is_deleted_and_no_longer_used() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["a", "b"].map(|name| folder.path().join(name));
        fs::write(&first, "first").unwrap();
        fs::write(&second, "second").unwrap();
        let placed = place(&fs::metadata(&first).unwrap());
        let times_open =
            || open_files().iter().filter(|file| file.metadata().is_ok_and(|file| place(&file) == placed)).count();
        let (one, other) = (OpenFile::open(&first).unwrap(), OpenFile::open(&first).unwrap());
        assert!(Arc::ptr_eq(&one.0, &other.0));
        drop((one, other));
        OpenFile::open(&second).unwrap();
        assert_eq!(times_open(), 1, "SQLite may have it open");
        let used = OpenFile::open(&first).unwrap();
        fs::remove_file(&first).unwrap();
        OpenFile::open(&second).unwrap();
        let mut read = [0; 5];
        used.read_beginning(&mut read).unwrap();
        assert_eq!((times_open(), &read), (1, b"first"), "somebody reads it");
        drop(used);
        OpenFile::open(&second).unwrap();
        assert_eq!(times_open(), 0);
        assert!(OpenFile::open(&first).is_err());
    }
}
