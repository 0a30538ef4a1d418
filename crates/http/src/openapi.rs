//! An OpenAPI 3.1 document: what a document, an operation, an error and a page to read it on are. Of what is documented
//! it knows nothing.
//!
//! It is built with `serde_json::json!` and, where it speaks of structures, from their types by `schemars`. utoipa's
//! types know no `const` and no list of types, which are in every error and every nullable field here, and its macros
//! would say a second time what the route tables already say.

pub(crate) mod doc;
pub(crate) mod document;
pub(crate) mod errors;
pub(crate) mod headers;
pub(crate) mod operation;
pub(crate) mod page;
pub(crate) mod parameters;
pub(crate) mod schema;
