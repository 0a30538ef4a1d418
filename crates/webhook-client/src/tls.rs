//! TLS, by the certificates that the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others).

use std::sync::Arc;

use thunderhead_domain::ports::WebhookSendError;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

/// Made when it is first needed: to read all certificates takes its time.
#[derive(Default)]
pub(crate) struct Tls(OnceCell<TlsConnector>);

impl Tls {
    /// By these certificates alone.
    #[cfg(test)]
    pub(crate) fn trusting(roots: RootCertStore) -> Self {
        Self(OnceCell::new_with(connector(roots).ok()))
    }

    /// TLS over a connection, with who the URL says is at its other end.
    pub(crate) async fn over(&self, stream: TcpStream, url: &Url) -> Result<TlsStream<TcpStream>, WebhookSendError> {
        let name = match url.host() {
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).map_err(|_| WebhookSendError::Url)?,
            Some(Host::Ipv4(address)) => ServerName::IpAddress(std::net::IpAddr::from(address).into()),
            Some(Host::Ipv6(address)) => ServerName::IpAddress(std::net::IpAddr::from(address).into()),
            None => return Err(WebhookSendError::Url),
        };
        let connector = self.0.get_or_try_init(of_the_system).await?;
        connector.connect(name, stream).await.map_err(|error| WebhookSendError::Tls(error.to_string()))
    }
}

async fn of_the_system() -> Result<TlsConnector, WebhookSendError> {
    let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let loaded = loaded.map_err(|error| WebhookSendError::Tls(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        let why = loaded.errors.first().map_or_else(String::new, |error| format!(": {error}"));
        return Err(WebhookSendError::Tls(format!("no certificate is trusted on this system{why}")));
    }
    connector(roots)
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, WebhookSendError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| WebhookSendError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
