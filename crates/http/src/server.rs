//! Sockets and connections, from the first to the last.

pub mod connections;
pub mod listen;
pub mod shutdown;

pub(crate) mod unread;
