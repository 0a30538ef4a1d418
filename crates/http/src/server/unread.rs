//! What is left of a request's body when its answer is ready. Bytes that nobody has read would be taken for the next
//! request of the connection, so the rest is read, within bounds; where that does not reach the end, the answer must
//! say that the connection ends with it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

use crate::request::body::LONGEST_BODY;

/// How long an answer waits for the rest of a body that nobody wants.
const DEADLINE: Duration = Duration::from_millis(500);

/// Watches how much of a body is read. Requests without one have no watch.
pub(crate) struct BodyWatch(Rc<RefCell<Source>>);

struct Source {
    payload: Payload,
    /// How many bytes may still come, where the framework does not know of an end.
    left: Option<u64>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// All of it has been read.
    Ended,
    /// It broke off, or what comes after its end is unknown.
    Broken,
}

impl BodyWatch {
    /// Puts a watch on the body of a request.
    pub(crate) fn on(request: &mut ServiceRequest) -> Option<Self> {
        let payload = request.take_payload();
        if matches!(payload, Payload::None) {
            return None;
        }
        let source = Rc::new(RefCell::new(Source { payload, left: end_of_tunnel(request), state: State::Open }));
        request.set_payload(Payload::Stream { payload: Box::pin(Watched(Rc::clone(&source))) });
        Some(Self(source))
    }

    /// Reads what is left. Whether that, and with it the body, came to its end.
    pub(crate) async fn reaches_the_end(self) -> bool {
        let mut rest = Watched(self.0);
        let read = async {
            let mut length = 0;
            while let Some(Ok(part)) = rest.next().await {
                length += part.len();
                if length > LONGEST_BODY {
                    return;
                }
            }
        };
        // Where the time runs out, the state tells.
        drop(timeout(DEADLINE, read).await);
        let state = rest.0.borrow().state;
        state == State::Ended
    }
}

/// The framework takes all that follows such a head for its body, and a server that does not change its protocol must
/// not: it reads what was announced.
fn end_of_tunnel(request: &ServiceRequest) -> Option<u64> {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let is_websocket =
        headers.get_all(UPGRADE).any(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"));
    let is_tunnel = (is_websocket || *request.method() == Method::CONNECT) && text(TRANSFER_ENCODING).is_none();
    is_tunnel.then(|| text(CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(0))
}

/// A body whose end is noted.
struct Watched(Rc<RefCell<Source>>);

impl Stream for Watched {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut source = self.0.borrow_mut();
        if source.state != State::Open {
            return Poll::Ready(None);
        }
        if source.left == Some(0) {
            source.state = State::Broken;
            return Poll::Ready(None);
        }
        let item = ready!(source.payload.poll_next_unpin(context));
        match item {
            Some(Ok(mut part)) => {
                if let Some(left) = &mut source.left {
                    part.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= part.len() as u64;
                }
                Poll::Ready(Some(Ok(part)))
            }
            Some(Err(error)) => {
                source.state = State::Broken;
                Poll::Ready(Some(Err(error)))
            }
            None => {
                source.state = State::Ended;
                Poll::Ready(None)
            }
        }
    }
}
