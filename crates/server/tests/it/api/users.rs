//! `/api/users`.

mod list;
mod me;
mod uid;
