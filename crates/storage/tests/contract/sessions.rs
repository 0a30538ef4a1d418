//! Sessions: opened, listed, stepped up, ended.

mod at_once;
mod caps;
mod confirm;
mod devices;
mod ended;
mod generations;
mod list;
mod open;
mod own_page;
mod page;
mod pass;
mod policy;
mod races;
mod revoke;
mod revoke_everywhere;
mod step_up;
