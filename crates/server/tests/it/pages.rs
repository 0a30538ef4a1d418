//! The pages, as browsers see them.

mod browser;
mod register;
mod sessions;
mod sign_in;
mod table;
mod verify;
