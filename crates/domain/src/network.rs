//! Networks from which an account is used: whose failed attempts are counted apart from those of strangers
//! (`docs/MODEL.md`, *Rate limits*).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// For how long a network or device is known after the last session that was opened from it, in seconds.
pub const KNOWN_SECONDS: i64 = 90 * 24 * 3_600;
/// How many networks of an account, and how many devices, are known at most: the latest.
pub const MOST_KNOWN: usize = 64;

/// The addresses that belong together: a /24 of IPv4, a /48 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & (u32::MAX << 8)))),
            IpAddr::V6(v6) => Self(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80)))),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, if self.0.is_ipv4() { 24 } else { 48 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_a_24_or_a_48() {
        let network = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(network("192.0.2.7").to_string(), "192.0.2.0/24");
        assert_eq!(network("2001:db8:1:2:3::4").to_string(), "2001:db8:1::/48");
        assert_eq!(network("::ffff:192.0.2.9"), network("192.0.2.7"));
        assert_ne!(network("192.0.3.7"), network("192.0.2.7"));
        assert_ne!(network("2001:db8:2::1"), network("2001:db8:1::1"));
    }
}
