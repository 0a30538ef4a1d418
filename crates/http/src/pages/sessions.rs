//! `/account/sessions`: where one is signed in, and out again.

pub(super) mod end;
pub(super) mod list;
