//! Where traces go: a collector of OpenTelemetry's, over HTTP.

use std::error::Error;
use std::time::Duration;

use anyhow::Context;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

/// How long an attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// So much of an answer is read, in bytes.
const MOST_ANSWER: usize = 64 * 1_024;
/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(10);
/// Where collectors take traces.
const PATH: &str = "/v1/traces";

/// Why spans did not arrive.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("it is not there: {0}")]
    Unreachable(String),
    #[error("it does not answer in time")]
    TimedOut,
    #[error("it answers {0}")]
    Refused(StatusCode),
}

impl SendError {
    /// Whether the same may be taken later (OTLP, *Failures* of HTTP).
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut => true,
            Self::Refused(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }
}

/// Posts to a collector.
pub(super) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    traces: Uri,
}

impl Collector {
    /// # Errors
    /// Where the system trusts no certificates, and the collector is to be asked over TLS.
    pub(super) fn at(endpoint: &str) -> anyhow::Result<Self> {
        let traces: Uri = format!("{}{PATH}", endpoint.trim_end_matches('/')).parse().context("its address")?;
        let is_https = traces.scheme_str() == Some("https");
        let builder = if is_https {
            let builder = HttpsConnectorBuilder::new().with_provider_and_native_roots(ring::default_provider());
            builder.context("the certificates that the system trusts")?
        } else {
            HttpsConnectorBuilder::new().with_tls_config(trusting_nobody()?)
        };
        let connector = builder.https_or_http().enable_http1().build();
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(1);
        Ok(Self { client: client.build(connector), traces })
    }

    /// One attempt.
    pub(super) async fn post(&self, body: Bytes) -> Result<(), SendError> {
        let status = timeout(ATTEMPT, self.exchange(body)).await.map_err(|_| SendError::TimedOut)?;
        match status? {
            status if status.is_success() => Ok(()),
            status => Err(SendError::Refused(status)),
        }
    }

    async fn exchange(&self, body: Bytes) -> Result<StatusCode, SendError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.traces.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response =
            self.client.request(request).await.map_err(|error| SendError::Unreachable(with_sources(&error)))?;
        let status = response.status();
        // Read to its end, the connection can be used again.
        drop(Limited::new(response.into_body(), MOST_ANSWER).collect().await);
        Ok(status)
    }
}

/// An error alone does not say why there is no connection.
fn with_sources(error: &(dyn Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |&error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// For a collector that is asked without TLS.
fn trusting_nobody() -> anyhow::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().context("the versions of TLS")?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}
