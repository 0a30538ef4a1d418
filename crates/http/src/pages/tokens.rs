//! `/account/tokens`: tokens for programs, which are scoped sessions.

pub(super) mod end;
pub(super) mod form;
pub(super) mod list;
pub(super) mod new;
pub(super) mod scopes;

/// Where the list is.
const LIST: &str = "/account/tokens";
