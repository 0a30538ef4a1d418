//! What is known of a request while it is answered, and the line that the log has of it in the end.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::{HttpMessage, HttpRequest};
use thunderhead_domain::authorization::Caller;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::Random;
use tracing::{debug, info};
use uuid::fmt::Hyphenated;

use crate::middleware::logged_requests::LoggedRequests;
use crate::request::client_ip::ClientIp;
use crate::request::traceparent::TraceParent;
use crate::roots::{without_link, without_original};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How much of a path is logged, in bytes.
const LONGEST_PATH: usize = 256;

/// The id that ties a request to its log line and its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestId {
    /// The client's own.
    Given(HeaderValue),
    /// A version 4 UUID (RFC 9562), as it is written.
    Drawn([u8; Hyphenated::LENGTH]),
}

impl RequestId {
    /// The longest id that is taken from a client, in bytes.
    const MAX: usize = 128;

    /// The id as text: visible ASCII.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Given(value) => value.to_str().unwrap_or_default(),
            Self::Drawn(text) => str::from_utf8(text).unwrap_or_default(),
        }
    }

    pub(crate) fn header(&self) -> HeaderValue {
        match self {
            Self::Given(value) => value.clone(),
            Self::Drawn(text) => HeaderValue::from_bytes(text).unwrap_or(HeaderValue::from_static("none")),
        }
    }
}

/// How many ids are drawn from the system's random source at once: each time takes a call of the system.
const DRAWN_AT_ONCE: usize = 64;

/// What the ids of one worker's requests are drawn from.
pub(crate) struct RequestIds {
    random: Arc<dyn Random>,
    /// Those that have been drawn, and are to be used.
    drawn: RefCell<Vec<[u8; 16]>>,
}

impl RequestIds {
    pub(crate) fn new(random: Arc<dyn Random>) -> Self {
        Self { random, drawn: RefCell::default() }
    }

    /// The client's own id where it is fit to be printed, else a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> RequestId {
        let fit = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (1..=RequestId::MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
        };
        headers.get(X_REQUEST_ID).filter(fit).cloned().map_or_else(|| self.draw(), RequestId::Given)
    }

    fn draw(&self) -> RequestId {
        let mut drawn = self.drawn.borrow_mut();
        let bytes = drawn.pop().unwrap_or_else(|| {
            let mut bytes = [[0; 16]; DRAWN_AT_ONCE];
            self.random.fill(bytes.as_flattened_mut());
            let [first, rest @ ..] = bytes;
            drawn.extend(rest);
            first
        });
        let mut text = [0; Hyphenated::LENGTH];
        uuid::Builder::from_random_bytes(bytes).into_uuid().hyphenated().encode_lower(&mut text);
        RequestId::Drawn(text)
    }
}

/// Kept with a request: its id, whom it comes from, and who that turned out to be.
pub(crate) struct RequestRecord {
    id: RequestId,
    client: ClientIp,
    user: Cell<Option<UserId>>,
    changes: Cell<bool>,
}

/// What of a request is logged.
#[derive(Clone, Copy)]
pub(crate) struct Finished<'a> {
    pub(crate) status: StatusCode,
    pub(crate) duration: Duration,
    pub(crate) id: &'a RequestId,
    /// What it is a part of, where its client says so.
    pub(crate) trace: Option<&'a TraceParent>,
    /// Who asked, where that is to be logged.
    pub(crate) client: Option<ClientIp>,
    /// Whether it is logged only where much is.
    pub(crate) quiet: bool,
    /// Whether method and path are those of a read.
    pub(crate) only_reads: bool,
    /// Which requests are logged.
    pub(crate) logged: LoggedRequests,
}

impl Finished<'_> {
    /// Whether it is logged, if it changes something in spite of its method, or if it does not.
    fn is_logged(&self, changes: bool) -> bool {
        self.logged.include(self.only_reads && !changes, self.status, self.duration)
    }
}

impl RequestRecord {
    pub(crate) fn new(id: RequestId, client: ClientIp) -> Self {
        Self { id, client, user: Cell::new(None), changes: Cell::new(false) }
    }

    pub(crate) fn id(extensions: &Extensions) -> Option<&str> {
        extensions.get::<Self>().map(|record| record.id.as_str())
    }

    /// The client of a request that came in over HTTP.
    pub(crate) fn client(request: &HttpRequest) -> Option<ClientIp> {
        request.extensions().get::<Self>().map(|record| record.client)
    }

    /// Notes the user of a request, once they have shown who they are.
    pub(crate) fn note_user(request: &HttpRequest, user: UserId) {
        if let Some(record) = request.extensions().get::<Self>() {
            record.user.set(Some(user));
        }
    }

    /// The same with a caller: a credential that is no good has no user.
    pub(crate) fn note_caller(request: &HttpRequest, caller: &Caller) {
        if let Some(authenticated) = caller.live() {
            Self::note_user(request, authenticated.user.id);
        }
    }

    /// Notes that a request changes something, whatever its method says.
    pub(crate) fn note_change(request: &HttpRequest) {
        if let Some(record) = request.extensions().get::<Self>() {
            record.changes.set(true);
        }
    }
}

/// What all that is logged in the course of a request is tied together by. Nothing that a client may want kept secret
/// goes in here: no query, no header but the ids, no body. Instead of a span, which would be written out for each request,
/// it is written where something is logged.
#[derive(Debug)]
pub struct RequestName {
    method: Method,
    uri: Uri,
    id: RequestId,
    trace: Option<TraceParent>,
}

thread_local! {
    /// The request that this thread is busy with.
    static CURRENT: RefCell<Option<Rc<RequestName>>> = const { RefCell::new(None) };
}

/// Has a thread be busy with a request as long as it lives.
pub(crate) struct Entered {
    before: Option<Rc<RequestName>>,
}

impl RequestName {
    pub(crate) fn of(request: &ServiceRequest, id: RequestId) -> Rc<Self> {
        let trace = TraceParent::of(request.headers());
        Rc::new(Self { method: request.method().clone(), uri: request.uri().clone(), id, trace })
    }

    /// Its method.
    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    /// The beginning of its path.
    pub fn path(&self) -> &str {
        logged_path(self.uri.path())
    }

    /// Its id.
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// The trace that it is a part of, if its client names one.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace.as_ref().map(TraceParent::trace_id)
    }

    pub(crate) fn trace(&self) -> Option<&TraceParent> {
        self.trace.as_ref()
    }

    /// What is logged by this thread is logged in the course of this request, until the result is dropped.
    pub(crate) fn enter(self: &Rc<Self>) -> Entered {
        Entered { before: CURRENT.replace(Some(Rc::clone(self))) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

/// Does something with the request that this thread is busy with, if there is one.
pub fn with_current<T>(act: impl FnOnce(&RequestName) -> T) -> Option<T> {
    CURRENT.with_borrow(|current| current.as_deref().map(act))
}

fn logged_path(path: &str) -> &str {
    let path = without_link(without_original(path));
    path.get(..path.floor_char_boundary(LONGEST_PATH)).unwrap_or_default()
}

/// Logs an answered request.
pub(crate) fn log_answer<B>(finished: Finished<'_>, response: &ServiceResponse<B>) {
    let request = response.request();
    let extensions = request.extensions();
    let record = extensions.get::<RequestRecord>();
    if finished.is_logged(record.is_some_and(|record| record.changes.get())) {
        let user = record.and_then(|record| record.user.get());
        log(finished, request.method().as_str(), logged_path(request.path()), user);
    }
}

/// The same where a layer in front of the routes refused the request, and took it with it.
pub(crate) fn log_error(finished: Finished<'_>, name: &RequestName) {
    if finished.is_logged(false) {
        log(finished, name.method(), name.path(), None);
    }
}

/// The line holds everything itself.
fn log(finished: Finished<'_>, method: &str, path: &str, user: Option<UserId>) {
    let Finished { status, duration, id, trace, client, quiet, .. } = finished;
    let user = client.and(user);
    macro_rules! line {
        ($level:ident) => {
            $level!(
                name: "request",
                parent: None,
                method,
                path,
                status = status.as_u16(),
                duration_ms = millis(duration),
                user = user.map(tracing::field::display),
                client = client.and_then(ClientIp::address).map(tracing::field::display),
                request_id = id.as_str(),
                trace_id = trace.map(TraceParent::trace_id),
                "finished"
            )
        };
    }
    if quiet { line!(debug) } else { line!(info) }
}

/// Whole microseconds as milliseconds.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}
