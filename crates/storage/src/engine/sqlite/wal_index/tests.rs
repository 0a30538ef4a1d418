//! What is taken for a header, and what is not.

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};

use super::*;

/// Both copies of a header that was published, of a log with these salts.
fn published(salts: [u32; 2]) -> [u8; 2 * LENGTH] {
    let initialized = u32::from_ne_bytes([1, 0, 0, 16]);
    let mut words = [VERSION, 0, 17, initialized, 42, 7, 0x1234_5678, 0x9abc_def0, salts[0], salts[1], 0, 0];
    let sum = checksum(&words);
    words[CHECKED..].copy_from_slice(&sum);
    let copy = words.map(u32::to_ne_bytes).concat();
    copy.repeat(2).try_into().unwrap()
}

#[test]
fn a_header_is_taken_where_both_copies_are_whole() {
    let copies = published([3, 4]);
    let header = complete(&copies).unwrap();
    assert_eq!(header.map(u64::to_ne_bytes).concat(), copies[..LENGTH]);
    assert_ne!(complete(&published([3, 5])), Some(header));
}

#[test]
fn a_header_that_is_torn_anywhere_is_not_taken() {
    let (old, new) = (published([3, 4]), published([8, 9]));
    // The second copy is written before the first. A reader may see either up to any byte.
    for written in 1..2 * LENGTH {
        let mut torn = old;
        let (second, first) = (written.min(LENGTH), written.saturating_sub(LENGTH));
        torn[LENGTH..][..second].copy_from_slice(&new[..second]);
        torn[..first].copy_from_slice(&new[..first]);
        let whole = torn == old || torn == new;
        assert_eq!(complete(&torn).is_some(), whole, "{written}");
    }
    // Nor is one that is torn in both copies alike.
    for place in 0..LENGTH {
        let mut torn = old;
        torn[place] ^= 0x40;
        torn[LENGTH + place] ^= 0x40;
        assert_eq!(complete(&torn), None, "{place}");
    }
}

#[test]
fn what_is_no_header_yet_or_of_another_format_is_not_taken() {
    assert_eq!(complete(&[0; 2 * LENGTH]), None);
    assert_eq!(complete(&published([0, 0])), None, "made from an empty log");
    let with = |place: usize, value: u32| {
        let mut words: [u32; LENGTH / 4] =
            std::array::from_fn(|word| u32::from_ne_bytes(*published([3, 4]).as_chunks().0.get(word).unwrap()));
        words[place] = value;
        let sum = checksum(&words);
        words[CHECKED..].copy_from_slice(&sum);
        let copies: [u8; 2 * LENGTH] = words.map(u32::to_ne_bytes).concat().repeat(2).try_into().unwrap();
        complete(&copies)
    };
    assert!(with(2, 18).is_some(), "another number of commits");
    assert_eq!(with(0, VERSION + 1), None, "another version");
    assert_eq!(with(3, 0), None, "not initialized");
}

#[test]
fn the_header_changes_with_each_commit_and_with_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let mut run = |statements: &str| connection.batch_execute(statements).unwrap();
    run("PRAGMA journal_mode = WAL; CREATE TABLE numbers (number INTEGER)");
    let index = WalIndex::open(&folder.path().join("x.db-shm")).unwrap();
    let mut seen = vec![index.header().unwrap()];
    for statements in [
        "INSERT INTO numbers VALUES (1)",
        "PRAGMA user_version = 0",
        "CREATE INDEX by_number ON numbers (number)",
        "DELETE FROM numbers",
        "VACUUM",
        "BEGIN; INSERT INTO numbers VALUES (2); SAVEPOINT one; DELETE FROM numbers; ROLLBACK TO one; COMMIT",
    ] {
        for nothing in ["SELECT * FROM numbers", "BEGIN; DELETE FROM numbers; ROLLBACK", "PRAGMA wal_checkpoint"] {
            run(nothing);
            assert_eq!(index.header(), seen.last().copied(), "{nothing}");
        }
        run(statements);
        let header = index.header().unwrap();
        assert!(!seen.contains(&header), "{statements}");
        seen.push(header);
    }
}
