//! Copies of a SQLite database: made, checked, compared, and put in the place of another.

mod differences;
mod replace;
mod snapshot;
mod spare;

pub use differences::{Difference, DifferenceKind};
pub use snapshot::{
    Replacement, RowCounts, Snapshot, SnapshotError, finish_replacement, is_replacement_unfinished, sync_name,
};
pub use spare::{Spare, SpareError};
