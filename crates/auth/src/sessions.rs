//! Sessions: opening, stepping up, listing and ending them.

pub mod live;
pub mod login;
pub mod name;
pub mod scoped;
pub mod step_up;
