//! The pages, as browsers see them.

mod asked;
pub(crate) mod browser;
mod confirm;
mod link;
mod passkey;
mod register;
mod security;
mod session_search;
mod sessions;
mod sign_in;
mod staff;
mod table;
mod tokens;
mod verify;
