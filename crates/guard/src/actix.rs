//! Extractors for actix-web. The guard is in the application's data:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # let _inside = runtime.enter();
//! use actix_web::{App, HttpResponse, web};
//! use thunderhead_domain::scope::Scope;
//! use thunderhead_guard::actix::Permitted;
//! use thunderhead_guard::requirement::{Requires, SessionRequirement};
//! use thunderhead_guard::settings::SessionGuardBuilder;
//!
//! struct MayUpload;
//!
//! impl Requires for MayUpload {
//!     const REQUIREMENT: SessionRequirement = SessionRequirement::LIVE.scope(Scope::UploadFile);
//! }
//!
//! // Without a live session that may upload, this is not called: the answer is 401, 403 or 503.
//! async fn upload(session: Permitted<MayUpload>, body: web::Bytes) -> HttpResponse {
//!     HttpResponse::Created().body(format!("{} bytes of {}", body.len(), session.username()))
//! }
//!
//! let guard = SessionGuardBuilder::new("http://127.0.0.1:8000", "uploads", "thk_…".to_owned()).build()?;
//! let app = App::new().app_data(guard.clone()).route("/files", web::put().to(upload));
//! # drop(app);
//! # Ok(())
//! # }
//! ```

use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};

use crate::credential::RequestHead;
use crate::error::{GuardError, Unavailable};
use crate::guard::{FirstLook, SessionGuard};
use crate::requirement::{AnySession, Requires};
use crate::session::LiveSession;
use crate::watch::SessionWatch;

/// Evidence of a live session that is all that `R` asks for. Put it before what reads the body: what is refused is then
/// not read.
#[derive(Clone, Debug)]
pub struct Permitted<R = AnySession> {
    session: Arc<LiveSession>,
    requirement: PhantomData<R>,
}

impl<R> Permitted<R> {
    const fn new(session: Arc<LiveSession>) -> Self {
        Self { session, requirement: PhantomData }
    }
}

impl<R> Deref for Permitted<R> {
    type Target = LiveSession;

    fn deref(&self) -> &LiveSession {
        &self.session
    }
}

/// The same, and the session is watched from then on: for websockets and streams.
#[derive(Debug)]
pub struct Watched<R = AnySession> {
    /// Tells when to close what depends on the session.
    pub watch: SessionWatch,
    requirement: PhantomData<R>,
}

/// What an extractor waits for.
type Waiting<T> = Pin<Box<dyn Future<Output = Result<T, GuardError>>>>;

/// An extractor at work; where the answer is known, nothing is allocated for it.
pub struct Permitting<R>(State<R>);

enum State<R> {
    Known(Option<Result<Permitted<R>, GuardError>>),
    Asking(Waiting<Permitted<R>>),
}

impl<R: 'static> Future for Permitting<R> {
    type Output = Result<Permitted<R>, GuardError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            // Asked again after its end, it has nothing more to say.
            State::Known(known) => known.take().map_or(Poll::Pending, Poll::Ready),
            State::Asking(asking) => asking.as_mut().poll(context),
        }
    }
}

impl<R> Unpin for Permitting<R> {}

impl RequestHead for HttpRequest {
    fn method(&self) -> &str {
        Self::method(self).as_str()
    }

    fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        self.headers().get_all(name).map(|value| value.as_bytes())
    }
}

impl<R: Requires> FromRequest for Permitted<R> {
    type Error = GuardError;
    type Future = Permitting<R>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let first = guard(request).and_then(|guard| Ok((guard, guard.token_of(request)?)));
        let known = |known: Result<_, _>| Permitting(State::Known(Some(known.map(Self::new))));
        match first {
            Err(error) => known(Err(error)),
            Ok((guard, token)) => match guard.look(token, &R::REQUIREMENT) {
                FirstLook::Known(session) => known(session),
                FirstLook::Unknown(digest, token) => {
                    let (guard, token) = (guard.clone(), token.to_owned());
                    let asking = async move { guard.ask(digest, &token, &R::REQUIREMENT).await.map(Self::new) };
                    Permitting(State::Asking(Box::pin(asking)))
                }
            },
        }
    }
}

impl<R: Requires> FromRequest for Watched<R> {
    type Error = GuardError;
    type Future = Waiting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let first = guard(request).and_then(|guard| Ok((guard.clone(), guard.token_of(request)?.to_owned())));
        Box::pin(async move {
            let (guard, token) = first?;
            Ok(Self { watch: guard.watch(&token, R::REQUIREMENT).await?, requirement: PhantomData })
        })
    }
}

fn guard(request: &HttpRequest) -> Result<&SessionGuard, GuardError> {
    request.app_data::<SessionGuard>().ok_or_else(|| {
        tracing::error!("no guard is in the application's data: nobody is let in");
        GuardError::Unavailable(Unavailable::NoGuard)
    })
}

impl ResponseError for GuardError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(challenge) = self.www_authenticate() {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if let Some(seconds) = self.retry_after() {
            response.insert_header((RETRY_AFTER, seconds));
        }
        response.finish()
    }
}
