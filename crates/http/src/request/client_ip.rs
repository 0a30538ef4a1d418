//! Who is at the other end: the client's address, as far as trusted proxies vouch for it
//! (`docs/MODEL.md`, *Rate limits*).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use ipnet::{IpNet, Ipv4Net};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that are trusted to name the client's address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    /// Whether those who come by a Unix socket are among them.
    unix_peers: bool,
}

impl TrustedProxies {
    /// These networks, and nobody else. IPv4 networks that are spelt as IPv6 ones mean the IPv4 ones.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self { networks: networks.into_iter().map(canonical_network).collect(), unix_peers: false }
    }

    /// These, and everybody who has no address: for a server that listens on a Unix socket alone. Elsewhere a client
    /// can do without one, by being gone already.
    #[must_use]
    pub fn and_unix_peers(self) -> Self {
        Self { unix_peers: true, ..self }
    }

    /// The client of a request that came in from `peer` with these headers.
    pub(crate) fn client_of(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> ClientIp {
        client_ip(self, peer, headers.get_all(X_FORWARDED_FOR))
    }

    /// Whether what this peer says of the requests that it passes on is trusted.
    pub(crate) fn trust(&self, peer: Option<IpAddr>) -> bool {
        peer.map_or(self.unix_peers, |address| self.lists(address.to_canonical()))
    }

    fn lists(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// The address of a request's client; unknown where the connection has none (a Unix socket) and nobody says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientIp(Option<IpAddr>);

impl ClientIp {
    /// The address to remember with a session; IPv4 where it is spelt as IPv6.
    pub(crate) const fn address(self) -> Option<IpAddr> {
        self.0
    }

    /// What the client is counted by. An IPv6 host can take any address of its /64, so that is one client.
    pub(crate) const fn bucket(self) -> IpBucket {
        match self.0 {
            None => IpBucket::Unknown,
            Some(IpAddr::V4(address)) => IpBucket::V4(address),
            Some(IpAddr::V6(address)) => IpBucket::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// What the other end of a connection is counted by.
pub(crate) fn bucket_of(peer: Option<IpAddr>) -> IpBucket {
    ClientIp(peer.map(|peer| peer.to_canonical())).bucket()
}

/// The clients that share one count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IpBucket {
    /// Everybody without an address.
    Unknown,
    /// One IPv4 address.
    V4(Ipv4Addr),
    /// The upper half of the addresses of an IPv6 /64.
    V6(u64),
}

/// Finds the client. `X-Forwarded-For` counts only from a listed proxy, and read from the right, where
/// our own proxies append: the first address that is not a listed proxy is the client. What stands further to
/// the left may have been made up by that client. An entry that is no address ends the list.
pub(crate) fn client_ip<'a>(
    proxies: &TrustedProxies,
    peer: Option<IpAddr>,
    x_forwarded_for: impl Iterator<Item = &'a HeaderValue>,
) -> ClientIp {
    let mut client = peer.map(|address| address.to_canonical());
    if proxies.trust(client) {
        let lines: Vec<&HeaderValue> = x_forwarded_for.collect();
        let entries = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for address in entries.map_while(entry_address) {
            client = Some(address);
            if !proxies.lists(address) {
                break;
            }
        }
    }
    ClientIp(client)
}

/// The address of one entry, with or without a port.
fn entry_address(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip())).ok()?;
    Some(address.to_canonical())
}

/// An IPv4 network in IPv6 clothes (`::ffff:10.0.0.0/104`) as the IPv4 network that it is.
fn canonical_network(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V4(_) => None,
        IpNet::V6(v6) => v6.prefix_len().checked_sub(96).zip(v6.network().to_ipv4_mapped()),
    };
    let narrow = mapped.and_then(|(prefix, address)| Ipv4Net::new(address, prefix).ok());
    narrow.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn proxies(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::new(networks.iter().map(|network| network.parse().unwrap()).collect())
    }

    fn found(trusted: &TrustedProxies, peer: &str, lines: &[&str]) -> String {
        let values: Vec<HeaderValue> = lines.iter().map(|line| HeaderValue::from_str(line).unwrap()).collect();
        let client = client_ip(trusted, Some(peer.parse().unwrap()), values.iter());
        client.address().unwrap().to_string()
    }

    #[test]
    fn a_peer_that_is_no_listed_proxy_is_the_client_whatever_it_says() {
        for trusted in [proxies(&[]), proxies(&["10.0.0.0/8"])] {
            assert_eq!(found(&trusted, "192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        }
    }

    #[test]
    fn the_first_address_from_the_right_that_is_no_proxy_is_the_client() {
        let trusted = proxies(&["10.0.0.0/8", "2001:db8::/32"]);
        for (lines, client) in [
            (&["198.51.100.7"][..], "198.51.100.7"),
            (&["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
            (&["6.6.6.6, 198.51.100.7,10.1.1.1 ,  2001:db8::5"], "198.51.100.7"),
            (&["6.6.6.6", "198.51.100.7", "10.1.1.1"], "198.51.100.7"),
            (&["6.6.6.6, 198.51.100.7:4711, [2001:db8::5]:80, [2001:db8::6]"], "198.51.100.7"),
            (&["::ffff:198.51.100.7"], "198.51.100.7"),
            (&["2a00::1"], "2a00::1"),
            (&[], "10.0.0.1"),
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            assert_eq!(found(&trusted, "10.0.0.1", lines), client, "{lines:?}");
            assert_eq!(found(&trusted, "::ffff:10.0.0.1", lines), client, "{lines:?}");
        }
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_search_at_the_last_good_one() {
        let trusted = proxies(&["10.0.0.0/8"]);
        for (line, client) in [
            ("6.6.6.6, unknown, 10.0.0.2", "10.0.0.2"),
            ("6.6.6.6, _hidden", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("6.6.6.6,", "10.0.0.1"),
            ("6.6.6.6, 1.2.3", "10.0.0.1"),
            ("6.6.6.6, 1.2.3.4:99999", "10.0.0.1"),
            ("6.6.6.6, [1.2.3.4", "10.0.0.1"),
        ] {
            assert_eq!(found(&trusted, "10.0.0.1", &[line]), client, "{line:?}");
        }
    }

    #[test]
    fn networks_may_be_spelt_as_mapped_ones() {
        let trusted = proxies(&["::ffff:10.0.0.0/104"]);
        assert_eq!(found(&trusted, "10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(found(&trusted, "11.0.0.1", &["198.51.100.7"]), "11.0.0.1");
    }

    #[test]
    fn ipv6_clients_share_a_bucket_with_their_64_and_nobody_else() {
        let bucket = |text: &str| ClientIp(Some(text.parse().unwrap())).bucket();
        assert_eq!(bucket("2001:db8:0:1::1"), bucket("2001:db8:0:1:ffff::2"));
        assert_ne!(bucket("2001:db8:0:1::1"), bucket("2001:db8:0:2::1"));
        assert_ne!(bucket("192.0.2.1"), bucket("192.0.2.2"));
    }

    #[test]
    fn a_connection_without_an_address_has_a_bucket_too() {
        let header = HeaderValue::from_static("198.51.100.7");
        let client = client_ip(&proxies(&["0.0.0.0/0"]), None, [&header].into_iter());
        assert_eq!((client.address(), client.bucket()), (None, IpBucket::Unknown));
    }

    #[test]
    fn who_comes_by_a_unix_socket_is_a_trusted_proxy() {
        let trusted = proxies(&["10.0.0.0/8"]).and_unix_peers();
        let found =
            |line: &'static str| client_ip(&trusted, None, [&HeaderValue::from_static(line)].into_iter()).address();
        assert_eq!(found("6.6.6.6, 198.51.100.7, 10.0.0.2"), "198.51.100.7".parse().ok());
        assert_eq!(found("unknown"), None);
        assert!(trusted.trust(None) && !proxies(&["0.0.0.0/0", "::/0"]).trust(None));
    }

    proptest! {
        #[test]
        fn nothing_in_the_header_makes_the_search_panic(
            lines in proptest::collection::vec(proptest::collection::vec(32_u8..=255, 0..60), 0..4),
        ) {
            let values: Vec<HeaderValue> =
                lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
            let client = client_ip(&proxies(&["10.0.0.0/8"]), "10.0.0.1".parse().ok(), values.iter());
            prop_assert!(client.address().is_some());
        }

        #[test]
        fn what_a_client_writes_before_the_proxy_appends_changes_nothing(
            lines in proptest::collection::vec("[ -~]{0,40}", 0..4),
            client in any::<[u8; 4]>().prop_map(IpAddr::from),
            direct in any::<bool>(),
        ) {
            let trusted = proxies(&["10.0.0.0/8"]);
            prop_assume!(!trusted.lists(client));
            let mut values: Vec<HeaderValue> =
                lines.iter().filter_map(|line| HeaderValue::from_str(line).ok()).collect();
            let peer = if direct {
                client
            } else {
                values.push(HeaderValue::from_str(&client.to_string()).unwrap());
                "10.0.0.1".parse().unwrap()
            };
            prop_assert_eq!(client_ip(&trusted, Some(peer), values.iter()), ClientIp(Some(client)));
        }
    }
}
