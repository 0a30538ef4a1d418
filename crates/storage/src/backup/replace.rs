//! Putting another database file in the place of the one that is there, in steps of which each is one renaming. The
//! new file gets a name of its own first, and under it says that the rest is to be done: from then on nothing opens the
//! database, until the old files are aside and the new one has their name. So whenever this is cut short, there is the
//! old database, or the new one, or a file that says what to do.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thunderhead_domain::time::Timestamp;

use crate::file::{RESTORED, beside, folder_of, sync_folder};

/// The files that make up a database; the log goes first, because nothing must open it with another file.
const PARTS: [&str; 4] = ["-wal", "-shm", "-journal", ""];
/// What files are called that are being made.
const UNFINISHED: &str = ".restore-";

/// A name for a file that is being made, in the folder of the database.
pub(crate) fn fresh_file(database: &Path) -> io::Result<tempfile::TempPath> {
    Ok(tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder_of(database))?.into_temp_path())
}

/// Removes what earlier attempts have left half made. Nobody else must be at it.
pub(crate) fn sweep(database: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder_of(database))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Puts a whole file in the place of the database; returns where the old one is now, if there was one.
pub(crate) fn replace(database: &Path, new: tempfile::TempPath, at: Timestamp) -> io::Result<Option<PathBuf>> {
    let file = File::options().write(true).open(&new)?;
    // The time goes into the names of the old files: whoever finishes this finds it here.
    file.set_modified(system_time(free_moment(database, at)))?;
    file.sync_all()?;
    drop(file);
    new.persist(beside(database, RESTORED))?;
    sync_folder(database)?;
    finish(database)
}

/// Does what is left to do; returns where the old database is now.
pub(crate) fn finish(database: &Path) -> io::Result<Option<PathBuf>> {
    let new = beside(database, RESTORED);
    let aside = beside(database, &aside_suffix(moment_of(&new)?));
    for part in PARTS {
        match fs::rename(beside(database, part), beside(&aside, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_folder(database)?;
    fs::rename(new, database)?;
    sync_folder(database)?;
    Ok(aside.exists().then_some(aside))
}

/// The first whole second from this moment on that no other old files are named after.
fn free_moment(database: &Path, at: Timestamp) -> i64 {
    let mut second = at.unix_seconds();
    while PARTS.iter().any(|part| beside(&beside(database, &aside_suffix(second)), part).exists()) {
        second += 1;
    }
    second
}

/// `-before-20260131T120000Z`.
fn aside_suffix(second: i64) -> String {
    let text = Timestamp::from_unix_seconds(second).to_string();
    let digits: String = text.split('.').next().unwrap_or_default().replace(['-', ':'], "");
    format!("-before-{digits}Z")
}

fn system_time(second: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second.unsigned_abs())
}

fn moment_of(file: &Path) -> io::Result<i64> {
    let since = fs::metadata(file)?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::is_unfinished;

    const AT: Timestamp = Timestamp::from_unix_seconds(1_769_860_800);

    fn old(folder: &Path) -> PathBuf {
        let database = folder.join("x.db");
        for part in PARTS {
            fs::write(beside(&database, part), format!("old{part}")).unwrap();
        }
        database
    }

    fn new(database: &Path) -> tempfile::TempPath {
        let new = fresh_file(database).unwrap();
        fs::write(&new, "new").unwrap();
        new
    }

    fn is_new_and_the_old_is_aside(database: &Path, aside: &Path) {
        assert_eq!(fs::read_to_string(database).unwrap(), "new");
        for part in PARTS {
            assert_eq!(fs::read_to_string(beside(aside, part)).unwrap(), format!("old{part}"));
            assert!(part.is_empty() || !beside(database, part).exists(), "{part}");
        }
        assert!(!is_unfinished(database));
    }

    #[test]
    fn the_old_files_are_put_aside_under_one_name_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let database = old(folder.path());
        let aside = replace(&database, new(&database), AT).unwrap().unwrap();
        assert_eq!(aside, beside(&database, "-before-20260131T120000Z"));
        is_new_and_the_old_is_aside(&database, &aside);
        let again = replace(&database, new(&database), AT).unwrap().unwrap();
        assert_eq!(again, beside(&database, "-before-20260131T120001Z"));
        assert!(aside.exists());
    }

    #[test]
    fn where_there_was_nothing_nothing_is_aside() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("x.db");
        assert_eq!(replace(&database, new(&database), AT).unwrap(), None);
        assert_eq!(fs::read_to_string(&database).unwrap(), "new");
    }

    #[test]
    fn wherever_it_is_cut_short_it_can_be_finished() {
        // Cut short after each of its renamings: the one that says that it has begun, and those of the old files.
        for done in 0..=PARTS.len() {
            let folder = tempfile::tempdir().unwrap();
            let database = old(folder.path());
            let new = new(&database);
            File::options().write(true).open(&new).unwrap().set_modified(system_time(AT.unix_seconds())).unwrap();
            new.persist(beside(&database, RESTORED)).unwrap();
            let aside = beside(&database, &aside_suffix(AT.unix_seconds()));
            for part in &PARTS[..done] {
                fs::rename(beside(&database, part), beside(&aside, part)).unwrap();
            }
            assert!(is_unfinished(&database), "{done}");
            assert_eq!(finish(&database).unwrap(), Some(aside.clone()));
            is_new_and_the_old_is_aside(&database, &aside);
        }
    }

    #[test]
    fn what_was_left_half_made_is_swept_away() {
        let folder = tempfile::tempdir().unwrap();
        let database = old(folder.path());
        let left = new(&database).keep().unwrap();
        sweep(&database).unwrap();
        assert!(!left.exists() && database.exists());
    }
}
