//! One request and the answer to it, of which the status counts.

use std::pin::pin;
use std::time::{Duration, UNIX_EPOCH};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap, RETRY_AFTER, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use thunderhead_domain::ports::{WebhookAnswer, WebhookMessage, WebhookSendError};
use thunderhead_domain::time::Timestamp;
use tokio::time::timeout;
use url::{Position, Url};

/// The longest head of an answer, in bytes.
const MOST_HEAD: usize = 64 * 1_024;
/// So much of an answer's body is read, in bytes, and for so long, so that who sends it is not cut off.
const MOST_BODY: usize = 16 * 1_024;
const BODY: Duration = Duration::from_secs(1);

const AGENT: &str = concat!("thunderhead/", env!("CARGO_PKG_VERSION"));

/// Sends a message over a connection.
pub(crate) async fn run<T>(
    connection: T,
    url: &Url,
    message: &WebhookMessage,
) -> Result<WebhookAnswer, WebhookSendError>
where
    T: Read + Write + Unpin,
{
    let mut client = http1::Builder::new();
    client.max_buf_size(MOST_HEAD);
    let (mut sender, connection) = client.handshake(connection).await.map_err(broken)?;
    let request = request(url, message)?;
    let mut exchange = pin!(async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let answer = answer(&response, message.at);
        // What is not read in time, or is too long, changes nothing.
        drop(timeout(BODY, Limited::new(response.into_body(), MOST_BODY).collect()).await);
        Ok(answer)
    });
    tokio::select! {
        biased;
        answer = &mut exchange => return answer,
        _ = pin!(connection) => {}
    }
    // The connection is over, and so is the exchange: what was sent before has arrived.
    exchange.await
}

fn request(url: &Url, message: &WebhookMessage) -> Result<Request<Full<Bytes>>, WebhookSendError> {
    // The host with its port, where that is not the scheme's own; neither user nor password is in such a URL.
    Request::post(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close")
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", message.at.unix_seconds())
        .header("webhook-signature", &message.signature)
        .body(Full::from(message.body.clone()))
        .map_err(|_| WebhookSendError::Url)
}

fn answer(response: &Response<Incoming>, now: Timestamp) -> WebhookAnswer {
    WebhookAnswer { status: response.status().as_u16(), retry_after: retry_after(response.headers(), now) }
}

/// Seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<i64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(seconds.into());
    }
    let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let seconds = i64::try_from(date.as_secs()).ok()?.saturating_sub(now.unix_seconds());
    Some(seconds.max(0))
}

fn broken(error: hyper::Error) -> WebhookSendError {
    let source = std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
    WebhookSendError::Broken(format!("{error}{source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_to_ask_again_is_told_in_seconds_or_by_a_date() {
        let now = Timestamp::from_unix_seconds(784_111_777);
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("4294967295", Some(4_294_967_295)),
            ("Sun, 06 Nov 1994 08:49:38 GMT", Some(1)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), seconds, "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
