//! What builds statements: diesel's prelude without `RunQueryDsl`, which runs them on any connection. The operations run
//! theirs on a `ReadConnection` or in a `WriteTransaction`.

pub(crate) use diesel::expression_methods::*;
pub(crate) use diesel::{JoinOnDsl, OptionalExtension, QueryDsl, QueryResult, QueryableByName, SelectableHelper};
