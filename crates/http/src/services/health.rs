//! Whether the server lives and whether it can work: for load balancers and supervisors.

use std::sync::Arc;

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use thunderhead_domain::ports::Stored;
use tracing::warn;

use crate::api::error::ApiError;
use crate::roots::RootEndpoint;
use crate::services::{RootServices, readable};

pub(super) fn mount(services: &mut web::ServiceConfig, context: &RootServices) {
    let (storage, auth) = (Arc::clone(&context.storage), Arc::clone(&context.shared.auth));
    let (draining, needs_writes) = (context.draining.clone(), context.ready_needs_writes);
    let ready = move || {
        let (storage, auth, draining) = (Arc::clone(&storage), Arc::clone(&auth), draining.clone());
        async move {
            // A server that is about to stop says so without asking its database.
            if draining.has_begun() {
                return not_ready();
            }
            readiness(storage.ping().await, || auth.write_check.takes_changes(), needs_writes).await
        }
    };
    mount_with(services, ready);
}

fn mount_with<F, A>(services: &mut web::ServiceConfig, ready: F)
where
    F: Fn() -> A + Clone + 'static,
    A: Future<Output = HttpResponse> + 'static,
{
    let live = || async { json(HttpResponse::Ok(), r#"{"status":"alive"}"#) };
    services.service(readable(RootEndpoint::HealthLive, live)).service(readable(RootEndpoint::HealthReady, ready));
}

/// Where nothing can be written, checks of sessions are answered all the same, and load balancers must not turn away
/// from all replicas at once.
async fn readiness<W: Future<Output = bool>>(
    ping: Stored<()>,
    takes_changes: impl FnOnce() -> W,
    needs_writes: bool,
) -> HttpResponse {
    if let Err(error) = ping {
        warn!(error = &error as &dyn std::error::Error, "not ready");
        return not_ready();
    }
    match (takes_changes().await, needs_writes) {
        (true, _) => json(HttpResponse::Ok(), r#"{"status":"ready","writes":true}"#),
        (false, false) => json(HttpResponse::Ok(), r#"{"status":"ready","writes":false}"#),
        (false, true) => not_ready(),
    }
}

fn not_ready() -> HttpResponse {
    ApiError::Unavailable.into_response()
}

fn json(mut response: actix_web::HttpResponseBuilder, body: &'static str) -> HttpResponse {
    response.content_type(ContentType::json()).body(body)
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::Method;
    use actix_web::http::header::{ALLOW, RETRY_AFTER};
    use actix_web::rt::System;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use thunderhead_domain::ports::StorageError;

    use super::*;

    fn answer(method: Method, path: &str, ping: fn() -> Stored<()>) -> (u16, Option<String>, String) {
        System::new().block_on(async {
            let ready = move || async move { readiness(ping(), || async { true }, false).await };
            let app = App::new().configure(|services| mount_with(services, ready));
            let request = TestRequest::with_uri(path).method(method).to_request();
            let response = call_service(&init_service(app).await, request).await;
            let status = response.status().as_u16();
            let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            let extra = header(RETRY_AFTER).or_else(|| header(ALLOW));
            (status, extra, String::from_utf8(read_body(response).await.to_vec()).unwrap())
        })
    }

    fn away() -> Stored<()> {
        Err(StorageError::Outage("gone".into()))
    }

    #[test]
    fn a_server_whose_database_answers_is_ready() {
        let ready = (200, None, r#"{"status":"ready","writes":true}"#.to_owned());
        assert_eq!(answer(Method::GET, "/health/ready", || Ok(())), ready);
        assert_eq!(answer(Method::HEAD, "/health/ready", || Ok(())), ready);
    }

    #[test]
    fn a_server_without_its_database_lives_but_is_not_ready() {
        assert_eq!(answer(Method::GET, "/health/live", away), (200, None, r#"{"status":"alive"}"#.to_owned()));
        assert_eq!(answer(Method::HEAD, "/health/live", away).0, 200);
        let (status, retry, body) = answer(Method::GET, "/health/ready", away);
        assert_eq!((status, retry.as_deref()), (503, Some("1")));
        assert_eq!(body, r#"{"code":"SERVICE_UNAVAILABLE_ERROR","message":"Service Unavailable"}"#);
    }

    #[test]
    fn a_server_that_cannot_write_is_ready_unless_that_is_needed() {
        let ready = |needs| async move {
            let response = readiness(Ok(()), || async { false }, needs).await;
            let status = response.status().as_u16();
            (status, actix_web::body::to_bytes(response.into_body()).await.unwrap_or_default())
        };
        let (lenient, strict) = System::new().block_on(async { (ready(false).await, ready(true).await) });
        assert_eq!((lenient.0, &*lenient.1), (200, &br#"{"status":"ready","writes":false}"#[..]));
        assert_eq!(strict.0, 503);
    }

    #[test]
    fn other_methods_are_told_which_ones_there_are() {
        let (status, allow, _) = answer(Method::POST, "/health/live", away);
        assert_eq!((status, allow.as_deref()), (405, Some("GET, HEAD")));
    }
}
