//! Randomness as tests have it.

use thunderhead_domain::ports::Random;

/// Always the same byte.
pub(crate) struct SameByte(pub(crate) u8);

impl Random for SameByte {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(self.0);
    }
}
