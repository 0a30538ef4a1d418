//! `/api/users`.

mod me;
mod uid;
