//! The databases of other programs, to be read and never written.

mod base32;
mod kratos;
mod moment;
mod reader;
mod reference;

pub use kratos::{InvalidTraitPath, KratosSource, TraitPath};
pub use reference::{ReferenceSource, ReferenceVersion};
