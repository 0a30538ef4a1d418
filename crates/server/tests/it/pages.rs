//! The pages, as browsers see them.

mod browser;
mod confirm;
mod link;
mod register;
mod sessions;
mod sign_in;
mod staff;
mod table;
mod verify;
