//! The databases of other programs, to be read and never written.

mod kratos;
mod moment;
mod reader;

pub use kratos::{InvalidTraitPath, KratosSource, TraitPath};
