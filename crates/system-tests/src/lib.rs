//! What the system tests and the benchmarks share: real servers over databases that are thrown away, and what their
//! clients ask.
#![expect(missing_docs, reason = "for this workspace alone")]

pub mod live;
pub mod requests;
