//! What a token may look like, and what is kept of it: its digest.

use sha2::{Digest, Sha256};
use thunderhead_domain::session::TokenDigest;

/// The longest token that the server is asked about, in bytes. Its own are less than a quarter of that.
pub(crate) const LONGEST: usize = 4_096;

/// The digest of what may be a token (RFC 6750's `b64token`); nothing else is asked about.
pub(crate) fn digest(token: &str) -> Option<TokenDigest> {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    let fits = (1..=LONGEST).contains(&token.len()) && token.bytes().all(allowed);
    fits.then(|| TokenDigest(Sha256::digest(token).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_token_has_no_digest() {
        for token in ["", " ", "a b", "a\"b", "ä", "a\u{0}", "a,b", &"x".repeat(LONGEST + 1)] {
            assert!(digest(token).is_none(), "{token:?}");
        }
        for token in ["x", "eyJ.eyJ.a-_", "k/+~=", &"x".repeat(LONGEST)] {
            assert!(digest(token).is_some(), "{token:?}");
        }
        assert!(digest("a") != digest("a="));
    }
}
