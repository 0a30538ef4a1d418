//! Connections to addresses that were checked.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use thunderhead_domain::ports::WebhookSendError;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one of several addresses is tried, so that there is time left for the others.
const PATIENCE: Duration = Duration::from_secs(4);

/// A connection to the first address that takes one.
pub(crate) async fn first(addresses: &[SocketAddr]) -> Result<TcpStream, WebhookSendError> {
    let mut last = io::Error::other("there is no address");
    for address in addresses {
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(WebhookSendError::Unreachable(last.to_string()))
}
