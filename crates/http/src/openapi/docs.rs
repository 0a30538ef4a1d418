//! What each row of the route table says of itself, one module for each part of the table.

pub(crate) mod accounts;
pub(crate) mod entry;
pub(crate) mod factors;
pub(crate) mod kratos;
pub(crate) mod legacy;
pub(crate) mod sessions;
pub(crate) mod staff_accounts;
pub(crate) mod switches;
