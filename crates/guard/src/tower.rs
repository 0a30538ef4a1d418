//! A layer for axum, and whatever else is made of tower's services over the types of the crate `http`.
//!
//! What is let in has the session in its extensions: in axum, `Extension<Arc<LiveSession>>`. What is not never reaches the
//! routes below the layer.
//!
//! ```
//! # use std::error::Error;
//! # use thunderhead_domain::scope::Scope;
//! use thunderhead_guard::requirement::SessionRequirement;
//! use thunderhead_guard::settings::SessionGuardBuilder;
//! use thunderhead_guard::tower::GuardLayer;
//!
//! # fn main() -> Result<(), Box<dyn Error>> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # let _inside = runtime.enter();
//! let guard = SessionGuardBuilder::new("http://127.0.0.1:8000", "uploads", "thk_…".to_owned()).build()?;
//! let uploads = GuardLayer::new(guard, SessionRequirement::LIVE.scope(Scope::UploadFile));
//! // Router::new().route("/files", put(upload)).layer(uploads)
//! # drop(uploads);
//! # Ok(())
//! # }
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::credential::RequestHead;
use crate::error::GuardError;
use crate::guard::{FirstLook, SessionGuard};
use crate::requirement::SessionRequirement;
use crate::session::LiveSession;

/// Lets through what has a live session that is all that is asked for.
#[derive(Clone, Debug)]
pub struct GuardLayer {
    guard: SessionGuard,
    requirement: SessionRequirement,
}

impl GuardLayer {
    /// Asks this guard for that.
    pub const fn new(guard: SessionGuard, requirement: SessionRequirement) -> Self {
        Self { guard, requirement }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> GuardService<S> {
        GuardService { inner, layer: self.clone() }
    }
}

/// What [`GuardLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct GuardService<S> {
    inner: S,
    layer: GuardLayer,
}

impl<B> RequestHead for Request<B> {
    fn method(&self) -> &str {
        Self::method(self).as_str()
    }

    fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        self.headers().get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

impl<S, B, R> Service<Request<B>> for GuardService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that is ready, and leaves another in its place.
        let another = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, another);
        let GuardLayer { guard, requirement } = self.layer.clone();
        let first = guard.token_of(&request).map(|token| match guard.look(token, &requirement) {
            FirstLook::Known(known) => Ok(known),
            FirstLook::Unknown(digest, token) => Err((digest, token.to_owned())),
        });
        Box::pin(async move {
            let session = match first {
                Ok(Ok(known)) => known,
                Ok(Err((digest, token))) => guard.ask(digest, &token, &requirement).await,
                Err(error) => Err(error),
            };
            match session {
                Ok(session) => {
                    request.extensions_mut().insert::<Arc<LiveSession>>(session);
                    inner.call(request).await
                }
                Err(error) => Ok(refusal(&error)),
            }
        })
    }
}

/// A status and headers, without a body.
pub fn refusal<R: Default>(error: &GuardError) -> Response<R> {
    let mut response = Response::new(R::default());
    *response.status_mut() = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(challenge) = error.www_authenticate().and_then(|value| HeaderValue::from_str(&value).ok()) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
