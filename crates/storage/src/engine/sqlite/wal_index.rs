//! The header of SQLite's WAL index, by which it is seen without a query whether anything was committed. Why that can
//! be relied on is argued in `docs/ARCHITECTURE.md`, *Whether anything was committed*.
//!
//! The index is the file beside a database whose name ends in `-shm`, and begins with two copies of a header of 48
//! bytes, in the order of bytes that the machine has (<https://www.sqlite.org/walformat.html>).

#[cfg(unix)]
mod open_files;

use std::io;
use std::path::Path;

#[cfg(unix)]
use self::open_files::OpenFile;

/// How long one copy is.
const LENGTH: usize = 48;
/// The version of the format, in the first word.
const VERSION: u32 = 3_007_000;
/// Where the byte is that tells that there is a header.
const IS_INITIALIZED: usize = 12;
/// The words that the checksum is about, the two last ones: salts, which tell one log from the next.
const CHECKED: usize = 10;
const SALTS: usize = 8;

/// A header. No two that are published are the same, but where a log was recovered and found to be what it was.
pub(super) type Header = [u64; LENGTH / 8];

/// The index of a database that SQLite has open in this process.
pub(super) struct WalIndex(#[cfg(unix)] OpenFile);

#[cfg(unix)]
impl WalIndex {
    /// Opens it. SQLite must have it open in this process, and keep it open as long as the result is used.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        OpenFile::open(path).map(Self)
    }

    /// What is published. `None` where it is being published at this moment, or nothing is to be relied on.
    pub(super) fn header(&self) -> Option<Header> {
        let mut copies = [0; 2 * LENGTH];
        self.0.read_beginning(&mut copies).ok()?;
        complete(&copies)
    }
}

/// Where files are not read at a place, or not closed as they are on Unix, nothing was tried.
#[cfg(not(unix))]
impl WalIndex {
    pub(super) fn open(_: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn header(&self) -> Option<Header> {
        None
    }
}

/// What SQLite would take for the header: two copies that are the same and have the right checksum. One that was made
/// from an empty log, without salts, is left out: it alone may come again.
fn complete(copies: &[u8; 2 * LENGTH]) -> Option<Header> {
    let (first, second) = copies.split_at(LENGTH);
    let (bytes, _) = first.as_chunks();
    let words: [u32; LENGTH / 4] = std::array::from_fn(|place| u32::from_ne_bytes(bytes[place]));
    let usable = first == second
        && words[0] == VERSION
        && first[IS_INITIALIZED] == 1
        && words[SALTS..CHECKED] != [0, 0]
        && words[CHECKED..] == checksum(&words);
    let (bytes, _) = first.as_chunks();
    usable.then(|| std::array::from_fn(|place| u64::from_ne_bytes(bytes[place])))
}

fn checksum(words: &[u32; LENGTH / 4]) -> [u32; 2] {
    let (pairs, _) = words[..CHECKED].as_chunks();
    pairs.iter().fold([0, 0], |[first, second]: [u32; 2], [word, next]: &[u32; 2]| {
        let first = first.wrapping_add(*word).wrapping_add(second);
        [first, second.wrapping_add(*next).wrapping_add(first)]
    })
}

#[cfg(test)]
mod tests;
