//! `/account/sessions`: where one is signed in, and out again.

pub(super) mod end;
pub(super) mod list;

/// Where the list is.
const LIST: &str = "/account/sessions";
