//! The outermost layer of the server: request ids, the log line, headers that every response has, and JSON for
//! every error, whoever made it.

#[cfg(test)]
pub(crate) mod tests;

use std::future::{Future, Ready, poll_fn, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{Error, HttpMessage, HttpResponse};
use thunderhead_domain::ports::Random;

use crate::metrics::{self, Answers};
use crate::middleware::logged_requests::LoggedRequests;
use crate::middleware::record::{self, Finished, RequestId, RequestIds, RequestName, RequestRecord, X_REQUEST_ID};
use crate::middleware::request_span;
use crate::request::client_ip::TrustedProxies;
use crate::roots::{self, RootEndpoint};
use crate::server::connections::{Connection, Gone};
use crate::server::shutdown::Draining;
use crate::server::unread::BodyWatch;

/// Content type and body of an error without a body, by its status and the id of the request.
pub(crate) type ErrorFormat = fn(StatusCode, &str) -> (HeaderValue, BoxBody);

/// Marks a response whose body is meant as it is, or that it has none, an error's too.
#[derive(Clone, Copy)]
pub(crate) struct AsItIs;

/// The outermost middleware: wrap it last.
#[derive(Clone)]
pub(crate) struct RequestContextLayer {
    random: Arc<dyn Random>,
    draining: Draining,
    proxies: Arc<TrustedProxies>,
    logged: LoggedRequests,
    log_clients: bool,
    errors: fn(&str) -> ErrorFormat,
}

impl RequestContextLayer {
    /// Draws the ids of requests that bring none from `random`, closes connections while the server drains, and puts
    /// errors that no handler made as `errors` says for their path.
    pub(crate) fn new(random: Arc<dyn Random>, draining: Draining, errors: fn(&str) -> ErrorFormat) -> Self {
        let logged = LoggedRequests::All;
        Self { random, draining, proxies: Arc::default(), logged, log_clients: true, errors }
    }

    /// The same with clients that these proxies vouch for, and that are logged or not.
    pub(crate) fn with_clients(self, proxies: Arc<TrustedProxies>, log_clients: bool) -> Self {
        Self { proxies, log_clients, ..self }
    }

    /// The same where only these requests are logged.
    pub(crate) fn logging(self, logged: LoggedRequests) -> Self {
        Self { logged, ..self }
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequestContextLayer
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = RequestContextService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let (ids, answers) = (RequestIds::new(Arc::clone(&self.random)), Rc::default());
        ready(Ok(RequestContextService { service: Rc::new(service), layer: self.clone(), ids, answers }))
    }
}

/// The middleware around one worker's services.
pub(crate) struct RequestContextService<S> {
    service: Rc<S>,
    layer: RequestContextLayer,
    ids: RequestIds,
    answers: Rc<Answers>,
}

impl<S, B> Service<ServiceRequest> for RequestContextService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let started = Instant::now();
        let id = self.ids.of(request.headers());
        let peer = request.peer_addr().map(|peer| peer.ip());
        let client = self.layer.proxies.client_of(peer, request.headers());
        request.extensions_mut().insert(RequestRecord::new(id.clone(), client));
        let client = self.layer.log_clients.then_some(client);
        let format = (self.layer.errors)(request.path());
        let quiet = RootEndpoint::at(request.path()).is_some_and(RootEndpoint::is_probe);
        let (only_reads, logged) = (roots::only_reads(request.method(), request.path()), self.layer.logged);
        let name = RequestName::of(&request, id.clone());
        let method = metrics::method(request.method());
        let span = request_span::begin(method, &name);
        let busy = match request.conn_data().map(Connection::begin).transpose() {
            Ok(busy) => busy,
            Err(Gone) => {
                let unread = HttpResponse::ServiceUnavailable().finish().map_into_right_body();
                return Box::pin(ready(Ok(request.into_response(unread))));
            }
        };
        let in_flight = (busy, self.answers.in_flight());
        let (draining, answers) = (self.layer.draining.clone(), Rc::clone(&self.answers));
        // An upgrade that is not wanted is ignored (RFC 9110, section 7.8). The framework ends the connection
        // nevertheless, and would not say so.
        let is_upgrade = request.head().connection_type() == ConnectionType::Upgrade;
        let body = BodyWatch::on(&mut request);
        let handling = self.service.call(request);
        Box::pin(async move {
            let mut handling = pin!(handling);
            let in_its_name = |context: &mut Context<'_>| {
                let (_in_its_name, _in_its_span) = (name.enter(), span.enter());
                handling.as_mut().poll(context)
            };
            let handled = poll_fn(in_its_name).await;
            let is_read = match body {
                None => true,
                Some(body) => Box::pin(body.reaches_the_end()).await,
            };
            let is_last = is_upgrade || !is_read || draining.has_begun() || makes_room(&handled);
            let duration = started.elapsed();
            let trace = name.trace();
            let finished = |status| Finished { status, duration, id: &id, trace, client, quiet, only_reads, logged };
            let result = match handled {
                Ok(response) => {
                    let response = finish(response, &id, format, is_last);
                    request_span::end(&span, Some(response.request()), response.status());
                    record::log_answer(finished(response.status()), &response);
                    answers.count(Some(response.request()), method, response.status(), duration);
                    Ok(response)
                }
                Err(mut error) => {
                    let status = error.as_response_error().status_code();
                    request_span::end(&span, None, status);
                    record::log_error(finished(status), &name);
                    answers.count(None, method, status, duration);
                    error.add_response_mapper(move |response| finish_error(response, &id, format, is_last));
                    Err(error)
                }
            };
            drop(in_flight);
            result
        })
    }
}

fn makes_room<B>(handled: &Result<ServiceResponse<B>, Error>) -> bool {
    let connection = |response: &ServiceResponse<B>| response.request().conn_data().map(Connection::makes_room);
    handled.as_ref().is_ok_and(|response| connection(response).unwrap_or(false))
}

/// The response of an inner service, as it leaves the server.
fn finish<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    id: &RequestId,
    format: ErrorFormat,
    is_last: bool,
) -> ServiceResponse<EitherBody<B>> {
    let as_it_is = response.response().extensions().get::<AsItIs>().is_some();
    let mut response = if !as_it_is && is_bare_error(response.status(), response.headers(), response.response().body())
    {
        let (request, response) = response.into_parts();
        ServiceResponse::new(request, json_error(response, id, format)).map_into_right_body()
    } else {
        response.map_into_left_body()
    };
    complete(response.response_mut(), id, is_last);
    response
}

/// The same for an error that an inner service returned instead of a response.
fn finish_error(response: HttpResponse, id: &RequestId, format: ErrorFormat, is_last: bool) -> HttpResponse {
    let bare = is_bare_error(response.status(), response.headers(), response.body());
    let mut response = if bare { json_error(response, id, format) } else { response };
    complete(&mut response, id, is_last);
    response
}

/// Whether this is an error without a body of ours, which is JSON.
fn is_bare_error(status: StatusCode, headers: &HeaderMap, body: &impl MessageBody) -> bool {
    let is_json = || headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let is_error = status.is_client_error() || status.is_server_error();
    is_error && (body.size().is_eof() || !is_json())
}

/// Replaces the body by a JSON one; headers like `Allow` and `Retry-After` stay.
fn json_error<B>(response: HttpResponse<B>, id: &RequestId, format: ErrorFormat) -> HttpResponse<BoxBody> {
    let status = response.status();
    let (content_type, body) = format(status, id.as_str());
    let mut response = response.set_body(body);
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_ENCODING);
    headers.insert(CONTENT_TYPE, content_type);
    let wants_retry = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
    if wants_retry && !headers.contains_key(RETRY_AFTER) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// What every response has; the last one of its connection says so.
fn complete<B>(response: &mut HttpResponse<B>, id: &RequestId, is_last: bool) {
    if is_last {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    // Some clients keep headers in a map that tells capitals from small letters, and look for `X-Total-Count`.
    response.head_mut().set_camel_case_headers(true);
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.header());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if status == StatusCode::UNAUTHORIZED && !headers.contains_key(WWW_AUTHENTICATE) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}
