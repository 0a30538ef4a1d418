//! What backups that were killed have left half made.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use thunderhead_domain::time::Timestamp;

/// How long nothing was written to a file that nobody is at any more.
const STILL: Duration = Duration::from_secs(3_600);
/// How many letters and digits end the name of a file that is being made.
const MARK: usize = 6;
/// What SQLite may put beside it.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// What a file of SQLite begins with.
const HEADER: &[u8; 16] = b"SQLite format 3\0";

/// Removes what was left of earlier backups of this name. What cannot be removed stays.
pub(super) fn sweep(folder: &Path, name: &str, now: Timestamp) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if is_of(&entry.file_name().to_string_lossy(), name) && is_left(&entry.path(), now) {
            for suffix in COMPANIONS {
                fs::remove_file(thunderhead_storage::beside(&entry.path(), suffix)).ok();
            }
            fs::remove_file(entry.path()).ok();
        }
    }
}

fn is_of(found: &str, name: &str) -> bool {
    let mark = found.strip_prefix('.').and_then(|rest| rest.strip_prefix(name)?.strip_prefix('-'));
    mark.is_some_and(|mark| mark.len() == MARK && mark.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Whether it is empty or SQLite's, and has not been written for long.
fn is_left(path: &Path, now: Timestamp) -> bool {
    let Ok(metadata) = path.symlink_metadata() else { return false };
    let now = Duration::from_millis(now.unix_millis().unsigned_abs());
    let written = metadata.modified().ok().and_then(|written| written.duration_since(UNIX_EPOCH).ok());
    let age = written.and_then(|written| now.checked_sub(written));
    let old = age.is_some_and(|age| age > STILL);
    metadata.is_file() && old && (metadata.len() == 0 || is_sqlite(path))
}

fn is_sqlite(path: &Path) -> bool {
    let mut header = [0; HEADER.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut header)).is_ok() && header == *HEADER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_and_of_this_name_is_swept_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let left = [".x.db-a1B2c3", ".x.db-a1B2c4", ".x.db-a1B2c3-journal"];
        let kept = [".y.db-a1B2c3", ".x.db-a1B2c3d", ".x.db-a1B2-3", "x.db-a1B2c3", ".x.db-Notes1", "x.db"];
        for name in left.iter().chain(&kept) {
            fs::write(path(name), HEADER).unwrap();
        }
        fs::write(path(left[1]), "").unwrap();
        fs::write(path(".x.db-Notes1"), "a text of somebody").unwrap();
        let written = fs::metadata(path("x.db")).unwrap().modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
        let after = |time: Duration| Timestamp::from_unix_millis((written + time).as_millis().try_into().unwrap());
        sweep(folder.path(), "x.db", after(Duration::from_secs(60)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), left.len() + kept.len());
        sweep(folder.path(), "x.db", after(STILL + Duration::from_secs(60)));
        assert!(left.iter().all(|name| !path(name).exists()));
        assert!(kept.iter().all(|name| path(name).exists()));
    }
}
