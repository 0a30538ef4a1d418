//! Devices that accounts are used with: a login with another one is told of (`docs/MODEL.md`, *New devices*).

use std::fmt;
use std::net::IpAddr;

use crate::label::cleaned;
use crate::network::Network;

/// What there is to say of a client or a network that nothing is known of.
const UNKNOWN: &str = "unknown";

/// What a client is: browser and system, or what it calls itself, without versions, so that an update makes no other
/// device of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentName(Box<str>);

impl AgentName {
    /// The longest name, in characters.
    const MAX: usize = 128;

    /// A name that is made of any text: what is not printable becomes a space.
    pub fn made_of(text: &str) -> Self {
        Self(cleaned(text, Self::MAX).unwrap_or_else(|| UNKNOWN.to_owned()).into())
    }

    /// The name of a client that does not say what it is.
    pub fn unknown() -> Self {
        Self(UNKNOWN.into())
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a login is made with, as far as devices are told apart: the client and its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginDevice {
    /// The client.
    pub agent: AgentName,
    /// Its network, unless its address is unknown.
    pub network: Option<Network>,
}

impl LoginDevice {
    /// The device of a client at an address.
    pub fn new(agent: AgentName, client_ip: Option<IpAddr>) -> Self {
        Self { agent, network: client_ip.map(Network::of) }
    }

    /// Any device in the same network: what is known of those that were used before devices were told apart.
    pub fn any_in_network(&self) -> String {
        self.network.map_or_else(|| UNKNOWN.to_owned(), |network| network.to_string())
    }
}

/// As it is stored.
impl fmt::Display for LoginDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.any_in_network(), self.agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_a_client_in_a_network() {
        let device = |agent, address: &str| LoginDevice::new(AgentName::made_of(agent), address.parse().ok());
        let office = device("Firefox on Linux", "192.0.2.7");
        assert_eq!(office.to_string(), "192.0.2.0/24 Firefox on Linux");
        assert_eq!(office.any_in_network(), "192.0.2.0/24");
        assert_eq!(office, device("Firefox on Linux", "192.0.2.200"));
        assert_ne!(office, device("Firefox on Linux", "192.0.3.7"));
        assert_ne!(office, device("Firefox on Windows", "192.0.2.7"));
        assert_eq!(device("curl", "").to_string(), "unknown curl");
        assert_eq!(LoginDevice::new(AgentName::unknown(), None), device("\u{7}", ""));
        assert_eq!(device(&"x".repeat(4_000), "::1").to_string().len(), "::/48 ".len() + 128);
    }
}
