//! What it takes until something has reached the disk.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::contest::median;

/// What a database writes at once, and how often it is written here.
const PAGE: [u8; 8_192] = [7; 8_192];
const WRITES: usize = 300;

/// Microseconds that one write and `fdatasync` take in a folder, as `pg_test_fsync` measures it: the median.
pub(crate) fn sync_micros(folder: &Path) -> Result<f64> {
    let file = tempfile::tempfile_in(folder)?;
    file.write_all_at(&PAGE, 0)?;
    file.sync_all()?;
    let mut took = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let begun = Instant::now();
        file.write_all_at(&PAGE, 0)?;
        file.sync_data()?;
        took.push(begun.elapsed().as_secs_f64() * 1_000_000.0);
    }
    Ok(median(took))
}
