//! `/api/users/me/sessions`.

mod at_once;
mod delete;
mod issue;
mod list;
mod model;
mod names;
mod show;
mod used_at;
