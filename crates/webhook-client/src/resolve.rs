//! From a URL to addresses, each of which may be connected to.

use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use thunderhead_domain::ports::WebhookSendError;
use thunderhead_domain::webhook::address::{is_loopback, is_refused};
use url::{Host, Url};

/// What knows the addresses of names.
#[async_trait]
pub(crate) trait Resolver: Send + Sync {
    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The system's own, on a thread for what blocks.
pub(crate) struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, port)).await?.collect())
    }
}

/// The addresses of a URL. Where one of them is refused, all are: who names such an address beside others means it.
pub(crate) async fn checked(resolver: &dyn Resolver, url: &Url) -> Result<Vec<SocketAddr>, WebhookSendError> {
    let needs_loopback = match url.scheme() {
        "https" => false,
        "http" => true,
        _ => return Err(WebhookSendError::Url),
    };
    let addresses = addresses(resolver, url).await?;
    for address in &addresses {
        check(address.ip(), needs_loopback)?;
    }
    Ok(addresses)
}

async fn addresses(resolver: &dyn Resolver, url: &Url) -> Result<Vec<SocketAddr>, WebhookSendError> {
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return Err(WebhookSendError::Url) };
    let found = match host {
        Host::Ipv4(address) => vec![SocketAddr::new(address.into(), port)],
        Host::Ipv6(address) => vec![SocketAddr::new(address.into(), port)],
        Host::Domain(name) => {
            resolver.resolve(name, port).await.map_err(|error| WebhookSendError::Unresolved(error.to_string()))?
        }
    };
    if found.is_empty() { Err(WebhookSendError::Unresolved("it has no address".to_owned())) } else { Ok(found) }
}

fn check(address: IpAddr, needs_loopback: bool) -> Result<(), WebhookSendError> {
    if is_refused(address) {
        Err(WebhookSendError::Refused(address))
    } else if needs_loopback && !is_loopback(address) {
        Err(WebhookSendError::NotLoopback(address))
    } else {
        Ok(())
    }
}
