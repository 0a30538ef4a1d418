//! The server, over HTTP: what of this token, and what has happened since?

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use crate::answer::{self, FeedAnswer};
use crate::error::{SetupError, Unavailable};
use crate::session::LiveSession;

/// The largest answer about a token, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024;
/// The largest page of the feed, in bytes: a thousand events of four kibibytes.
const LARGEST_PAGE: usize = 4 * 1024 * 1024;
/// How long a connection is kept that nobody uses: less than servers and proxies keep theirs.
const IDLE: Duration = Duration::from_secs(4);

/// What the feed is asked for: all that takes something from a session, or changes what is told of it.
const TYPES: &str = "session.ended,session.stepped_up,session.extended,sessions.ended,user.*,factor.*";
/// The most events in an answer.
const PAGE: u32 = 1_000;

#[cfg(feature = "tls")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls"))]
type Connector = HttpConnector;

/// What came of asking the feed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FeedReply {
    Page(FeedAnswer),
    /// The server does not know this place any more, or never did.
    Gone,
}

/// Asks the server as a service.
pub(crate) struct ServerClient {
    http: Client<Connector, Full<Bytes>>,
    introspect: Uri,
    events: String,
    credentials: HeaderValue,
}

impl ServerClient {
    pub(crate) fn new(
        url: &str,
        id: &str,
        secret: &SecretString,
        connections: usize,
        deadline: Duration,
    ) -> Result<Self, SetupError> {
        let base: Uri = url.parse().map_err(|_| SetupError::Url)?;
        match base.scheme_str() {
            Some("http") => {}
            Some("https") if cfg!(feature = "tls") => {}
            Some("https") => return Err(SetupError::Tls),
            _ => return Err(SetupError::Url),
        }
        if base.query().is_some() || url.contains('#') {
            return Err(SetupError::Url);
        }
        let base_is_https = base.scheme_str() == Some("https");
        let base = url.trim_end_matches('/');
        let introspect = format!("{base}/introspect").parse().map_err(|_| SetupError::Url)?;
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(connections);
        let http = builder.build(connector(base_is_https, deadline)?);
        Ok(Self { http, introspect, events: format!("{base}/events"), credentials: basic(id, secret)? })
    }

    /// The live session that a token leads to, if there is one.
    ///
    /// # Errors
    /// Whatever is not an answer to this question. Where the connection broke off, it was asked once again: the other side
    /// may close one that it has kept for long just as it is used.
    pub(crate) async fn introspect(&self, token: &str) -> Result<Option<LiveSession>, Unavailable> {
        let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
        let form = Bytes::from(form);
        let body = match self.post(form.clone()).await {
            Err(Unavailable::Connection(_)) => self.post(form).await,
            body => body,
        };
        answer::session(&body?)
    }

    async fn post(&self, form: Bytes) -> Result<Bytes, Unavailable> {
        let mut request = Request::new(Full::new(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.introspect.clone();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        match self.send(request, LARGEST_ANSWER).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => Err(refused(status)),
        }
    }

    /// Where the feed ends now.
    pub(crate) async fn feed_end(&self) -> Result<FeedReply, Unavailable> {
        self.feed(&[("after", "latest")]).await
    }

    /// What has happened since, or happens within so many seconds.
    pub(crate) async fn feed_after(&self, cursor: &str, wait: u64) -> Result<FeedReply, Unavailable> {
        let (limit, wait) = (PAGE.to_string(), wait.to_string());
        self.feed(&[("after", cursor), ("types", TYPES), ("limit", &limit), ("wait", &wait)]).await
    }

    async fn feed(&self, query: &[(&str, &str)]) -> Result<FeedReply, Unavailable> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let mut request = Request::new(Full::default());
        let uri = format!("{}?{query}", self.events).parse();
        *request.uri_mut() = uri.map_err(|_| Unavailable::NotUnderstood("a cursor that cannot be sent back"))?;
        match self.send(request, LARGEST_PAGE).await? {
            (StatusCode::OK, body) => answer::feed(&body).map(FeedReply::Page),
            (StatusCode::GONE, _) => Ok(FeedReply::Gone),
            (status, _) => Err(refused(status)),
        }
    }

    /// Status and body of an answer.
    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        largest: usize,
    ) -> Result<(StatusCode, Bytes), Unavailable> {
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.credentials.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let response = self.http.request(request).await.map_err(|error| lost(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), largest).collect().await;
        let body = body.map_err(|error| match error.downcast::<http_body_util::LengthLimitError>() {
            Ok(_) => Unavailable::NotUnderstood("a body that is too long"),
            Err(error) => lost(&*error),
        })?;
        Ok((status, body.to_bytes()))
    }
}

/// The connection, and how long it may take to get one.
#[cfg(not(feature = "tls"))]
fn connector(_: bool, deadline: Duration) -> Result<Connector, SetupError> {
    Ok(tcp(deadline))
}

/// The same with TLS where the URL says so.
#[cfg(feature = "tls")]
fn connector(is_https: bool, deadline: Duration) -> Result<Connector, SetupError> {
    use hyper_rustls::{ConfigBuilderExt, HttpsConnectorBuilder};
    use rustls::{ClientConfig, RootCertStore, crypto::ring};

    let unreadable = |error: &dyn std::error::Error| SetupError::Certificates(error.to_string());
    let config = ClientConfig::builder_with_provider(ring::default_provider().into());
    let config = config.with_safe_default_protocol_versions().map_err(|error| unreadable(&error))?;
    let config = if is_https {
        config.with_native_roots().map_err(|error| unreadable(&error))?
    } else {
        // Nobody is trusted whom nobody asks.
        config.with_root_certificates(RootCertStore::empty())
    };
    let mut tcp = tcp(deadline);
    tcp.enforce_http(false);
    let builder = HttpsConnectorBuilder::new().with_tls_config(config.with_no_client_auth());
    Ok(builder.https_or_http().enable_http1().wrap_connector(tcp))
}

fn tcp(deadline: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(deadline));
    tcp
}

/// HTTP Basic with both halves escaped (RFC 6749, section 2.3.1).
fn basic(id: &str, secret: &SecretString) -> Result<HeaderValue, SetupError> {
    let escaped = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pair = format!("{}:{}", escaped(id), escaped(secret.expose_secret()));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).map_err(|_| SetupError::Url)?;
    value.set_sensitive(true);
    Ok(value)
}

fn refused(status: StatusCode) -> Unavailable {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Unavailable::Credentials(status.as_u16()),
        _ => Unavailable::Status(status.as_u16()),
    }
}

/// The innermost cause says most.
fn lost(error: &(dyn std::error::Error + 'static)) -> Unavailable {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    Unavailable::Connection(innermost.to_string())
}
