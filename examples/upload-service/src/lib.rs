//! An example: a service that guards an upload with the scope `UPLOAD_FILE`, and asks Thunderhead who calls.
//!
//! It is meant to be read. A request goes through these, in this order:
//!
//! 1. [`token`]: is this a session token that Thunderhead signed? Answered with its public keys ([`keys`]) and without
//!    asking anybody, so that made-up tokens cost Thunderhead nothing. A signature cannot tell whether the session was
//!    ended, or what it may do *now*.
//! 2. [`guard`]: therefore Thunderhead is asked (`POST /introspect`, [`thunderhead`]), for every request and without a
//!    cache: what was ended anywhere is refused here by the next request. The scopes are checked by the domain crate.
//! 3. [`upload`]: the body is read only now, up to a bound, into a file whose name the client has no say in.
//!
//! 401 means "log in", 403 "not with this session". Where Thunderhead is away the answer is 503: who cannot be asked
//! about is not let in, and is not logged out either.

pub mod guard;
pub mod keys;
pub mod thunderhead;
pub mod token;
pub mod upload;

#[cfg(test)]
mod tests;
