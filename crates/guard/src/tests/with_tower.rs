//! The layer of tower.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response};
use thunderhead_domain::scope::Scope;
use tower_layer::Layer;
use tower_service::Service;

use super::server::{FakeServer, Reply};
use super::*;
use crate::tower::GuardLayer;

/// Says whose session it was shown.
#[derive(Clone)]
struct Route;

impl Service<Request<()>> for Route {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        ready(Ok(Response::new(request.extensions().get::<Arc<LiveSession>>().unwrap().username().to_owned())))
    }
}

#[test]
fn the_layer_lets_through_what_is_allowed_and_nothing_else() {
    let server = FakeServer::start();
    server.grant("uploader", "UPLOAD_FILE");
    server.grant("reader", "FILE_READ");
    server.say("broken", Reply::Status(500, String::new()));
    for staleness in [Staleness::Exact, WITHIN] {
        runtime().block_on(async {
            let guard = builder(&server).staleness(staleness).build().unwrap();
            let mut service = GuardLayer::new(guard, SessionRequirement::LIVE.scope(Scope::UploadFile)).layer(Route);
            for (token, status, body) in [
                (None, 401, ""),
                (Some("uploader"), 200, "ada"),
                (Some("uploader"), 200, "ada"),
                (Some("reader"), 403, ""),
                (Some("nobody"), 401, ""),
                (Some("broken"), 503, ""),
            ] {
                let mut request = Request::new(());
                if let Some(token) = token {
                    request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
                }
                let response = service.call(request).await.unwrap();
                assert_eq!((response.status().as_u16(), response.body().as_str()), (status, body), "{token:?}");
                assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), matches!(status, 401 | 403));
            }
        });
    }
}
