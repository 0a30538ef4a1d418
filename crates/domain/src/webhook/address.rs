//! To which addresses webhooks may be posted. Names resolve to whatever their owner likes, so it is the address that a
//! connection is made to that counts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds answer their machines, passwords among the answers: AWS and most others, Alibaba, Azure, Oracle.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// The same by IPv6: AWS, Google.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Whether nothing may be posted to an address: to what is link-local (`169.254.0.0/16`, `fe80::/10`), unspecified
/// (`0.0.0.0/8`, `::`), for many (multicast, broadcast), or where a cloud tells its machines about themselves; nor to an
/// IPv6 address that stands for such an IPv4 address: mapped, compatible, translated, by NAT64, 6to4, Teredo or ISATAP.
pub fn is_refused(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_refused_v4(address),
        IpAddr::V6(address) => is_refused_v6(address),
    }
}

/// Whether an address is this machine's own, also where an IPv4 address is written as an IPv6 one.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn is_refused_v4(address: Ipv4Addr) -> bool {
    address.octets()[0] == 0 || address.is_multicast() || address.is_broadcast() || is_of_the_machine(address)
}

/// Whether it leads to what is about this machine alone.
fn is_of_the_machine(address: Ipv4Addr) -> bool {
    address.is_link_local() || METADATA_V4.contains(&address)
}

fn is_refused_v6(address: Ipv6Addr) -> bool {
    if address.is_loopback() {
        return false;
    }
    address.is_unspecified()
        || address.is_unicast_link_local()
        || address.is_multicast()
        || METADATA_V6.contains(&address)
        || embedded(address).into_iter().flatten().any(is_refused_v4)
        || local_nat64(address).into_iter().flatten().any(is_of_the_machine)
}

/// The IPv4 addresses that an IPv6 address stands for by its form.
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let [a, b, c, d, e, f, g, h] = address.segments();
    [
        // ::a.b.c.d, ::ffff:a.b.c.d, ::ffff:0:a.b.c.d, 64:ff9b::/96 (RFC 4291 §2.5.5, RFC 2765, RFC 6052).
        ((a, b, c, d) == (0, 0, 0, 0) || (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0)).then(|| joined(g, h)),
        // 6to4 (RFC 3056).
        (a == 0x2002).then(|| joined(b, c)),
        // Teredo: the client's, with all bits turned (RFC 4380 §4).
        ((a, b) == (0x2001, 0)).then(|| joined(!g, !h)),
        // ISATAP (RFC 5214 §6.1).
        (matches!(e, 0 | 0x200) && f == 0x5efe).then(|| joined(g, h)),
    ]
}

/// Those that an address in the prefix for NAT64 of one's own (64:ff9b:1::/48, RFC 8215) stands for, by how long the prefix
/// in use is: 96, 48, 56 or 64 bits. Bits 64 to 71 hold nothing of the address (RFC 6052 §2.2).
fn local_nat64(address: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let is_local = (a, b, c) == (0x64, 0xff9b, 1);
    let read = [
        joined(g, h),
        joined(d, e << 8 | f >> 8),
        joined(d << 8 | e & 0xff, f),
        joined(e << 8 | f >> 8, f << 8 | g >> 8),
    ];
    read.map(|address| is_local.then_some(address))
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_link_local_unspecified_or_a_clouds_is_refused_however_it_is_written() {
        for text in [
            "169.254.0.1",
            "169.254.169.254",
            "169.254.255.255",
            "0.0.0.0",
            "0.1.2.3",
            "0.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "239.255.255.250",
            "255.255.255.255",
            "::",
            "fe80::1",
            "febf:ffff::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "ff02::1",
            // Mapped, compatible, translated.
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "::ffff:100.100.100.200",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            // NAT64, by the well-known prefix and by a local one of 96, 48, 56 and 64 bits.
            "64:ff9b::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::169.254.169.254",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:a9:fe:a9fe::",
            "64:ff9b:1:0:a9:fea9:fe00:0",
            // 6to4, Teredo, ISATAP.
            "2002:a9fe:a9fe::1",
            "2002:6464:64c8::",
            "2001:0:4136:e378:8000:63bf:5601:5601",
            "fd00::5efe:169.254.169.254",
            "2001:db8::200:5efe:100.100.100.200",
        ] {
            assert!(is_refused(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_an_operators_own_or_public_is_not() {
        for text in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.100.100.201",
            "100.64.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "1.0.0.0",
            "203.0.113.7",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:203.0.113.7",
            "2001:db8::1",
            "fd00:ec2::253",
            "fec0::1",
            "64:ff9b::203.0.113.7",
            "64:ff9b:1::203.0.113.7",
            "64:ff9b:1:cb00:71:700::",
            "2002:cb00:7107::1",
        ] {
            assert!(!is_refused(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_machines_own_addresses_are_known_in_either_form() {
        for (text, own) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("128.0.0.1", false),
            ("::2", false),
            ("::ffff:10.0.0.1", false),
            ("::127.0.0.1", false),
        ] {
            assert_eq!(is_loopback(text.parse().unwrap()), own, "{text}");
        }
    }
}
