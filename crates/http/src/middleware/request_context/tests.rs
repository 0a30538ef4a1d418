//! The request context in the service and over a real connection.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Once;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::rt::System;
use actix_web::test::{TestRequest, init_service, read_body, try_call_service};
use actix_web::{App, HttpServer, error, rt, web};
use serde_json::Value;

use super::*;
use crate::dialects::error_format;

/// A random source that everybody can foresee.
pub(crate) struct Zeros;

impl Random for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

const DRAWN: &str = "00000000-0000-4000-8000-000000000000";

/// Serves these routes behind the middleware on a real socket, sends the bytes and returns the response.
pub(crate) fn over_the_wire(mount: fn(&mut web::ServiceConfig), request: Vec<u8>) -> String {
    converse(mount, request, |_| Ok(()))
}

/// The same with a client that says it has nothing more to send, whatever it announced.
pub(crate) fn over_the_wire_cut_short(mount: fn(&mut web::ServiceConfig), request: Vec<u8>) -> String {
    converse(mount, request, |stream| stream.shutdown(Shutdown::Write))
}

fn converse(
    mount: fn(&mut web::ServiceConfig),
    request: Vec<u8>,
    after_sending: fn(&TcpStream) -> std::io::Result<()>,
) -> String {
    let talk = move |address| {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        // The server may stop reading before everything is sent; its answer is what matters.
        let sent = stream.write_all(&request).and_then(|()| after_sending(&stream));
        let mut answer = Vec::new();
        let mut buffer = [0; 4_096];
        while !is_complete(&answer)
            && let Ok(length @ 1..) = stream.read(&mut buffer)
        {
            answer.extend_from_slice(&buffer[..length]);
        }
        drop(sent);
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    System::new().block_on(async {
        let server = HttpServer::new(move || {
            App::new()
                .wrap(RequestContextLayer::new(Arc::new(Zeros), Draining::default(), error_format))
                .configure(mount)
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        rt::spawn(server);
        let answer = web::block(move || talk(address)).await.unwrap();
        handle.stop(false).await;
        answer.unwrap()
    })
}

/// Whether all of a response has arrived that says how long it is.
fn is_complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, length)| length);
    length.is_some_and(|length| length.parse().is_ok_and(|length: usize| body.len() >= length))
}

async fn fine() -> HttpResponse {
    HttpResponse::Ok().body("fine")
}

fn mount(services: &mut web::ServiceConfig) {
    let bare = |path: web::Path<u16>| async move { HttpResponse::new(StatusCode::from_u16(*path).unwrap()) };
    let text = || async { Err::<HttpResponse, _>(error::ErrorInternalServerError("the database is at db.internal")) };
    let own = || async {
        let mut response = HttpResponse::Unauthorized();
        response.insert_header((CACHE_CONTROL, "private")).insert_header((WWW_AUTHENTICATE, "Other"));
        response.json(serde_json::json!({"code": "OWN"}))
    };
    let wrong_method = || async { HttpResponse::MethodNotAllowed().insert_header(("Allow", "GET")).finish() };
    let empty_json = || async { HttpResponse::NotFound().content_type("application/json").finish() };
    services
        .service(web::resource("/id").route(web::get().to(fine)).default_service(web::to(wrong_method)))
        .route("/bare/{status}", web::route().to(bare))
        .route("/text", web::route().to(text))
        .route("/own", web::route().to(own))
        .route("/empty-json", web::route().to(empty_json))
        .service(web::resource("/inner").wrap(from_fn(refuse)).route(web::route().to(fine)))
        .route("/health/live", web::route().to(fine));
}

/// A layer that answers with an error instead of a response.
async fn refuse(_: ServiceRequest, _: actix_web::middleware::Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    Err(error::ErrorPayloadTooLarge("plain text"))
}

fn answer(request: TestRequest) -> (u16, HeaderMap, String) {
    System::new().block_on(async {
        let app = App::new().configure(mount).wrap(RequestContextLayer::new(
            Arc::new(Zeros),
            Draining::default(),
            error_format,
        ));
        match try_call_service(&init_service(app).await, request.to_request()).await {
            Ok(response) => {
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                (status, headers, String::from_utf8(read_body(response).await.to_vec()).unwrap())
            }
            Err(error) => {
                let response = error.error_response();
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let body = response.into_body().try_into_bytes().unwrap();
                (status, headers, String::from_utf8(body.to_vec()).unwrap())
            }
        }
    })
}

fn get(path: &str) -> TestRequest {
    TestRequest::with_uri(path)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn a_printable_request_id_is_kept_and_any_other_is_replaced() {
    let longest = "x".repeat(128);
    for id in ["a", "4f2c{}\"~!", longest.as_str()] {
        let (_, headers, _) = answer(get("/id").insert_header(("X-Request-ID", id)));
        assert_eq!(header(&headers, "x-request-id"), id);
    }
    let too_long = "x".repeat(129);
    for id in ["", "a b", "a\tb", "\u{e4}", too_long.as_str()] {
        let value = HeaderValue::from_bytes(id.as_bytes()).unwrap();
        let (_, headers, _) = answer(get("/id").insert_header(("X-Request-ID", value)));
        assert_eq!(header(&headers, "x-request-id"), DRAWN, "{id:?}");
    }
    assert_eq!(header(&answer(get("/id")).1, "x-request-id"), DRAWN);
}

#[test]
fn every_response_has_the_headers_and_keeps_those_of_its_handler() {
    for path in ["/id", "/none", "/text", "/inner", "/bare/204"] {
        let (_, headers, _) = answer(get(path));
        assert_eq!(header(&headers, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&headers, "cache-control"), "no-store", "{path}");
        assert_eq!(header(&headers, "x-request-id"), DRAWN, "{path}");
        assert_eq!(header(&headers, "www-authenticate"), "", "{path}");
    }
    let (status, headers, body) = answer(get("/own"));
    assert_eq!((status, body.as_str()), (401, r#"{"code":"OWN"}"#));
    assert_eq!((header(&headers, "cache-control"), header(&headers, "www-authenticate")), ("private", "Other"));
    assert_eq!(header(&answer(get("/bare/401")).1, "www-authenticate"), "Bearer");
}

#[test]
fn every_error_is_json_whoever_made_it() {
    for (path, status, code) in [
        ("/none", 404, "INVALID_ENDPOINT_ERROR"),
        ("/text", 500, "INTERNAL_SERVER_ERROR"),
        ("/inner", 413, "BODY_TOO_LARGE_ERROR"),
        ("/empty-json", 404, "INVALID_ENDPOINT_ERROR"),
        ("/bare/400", 400, "MISSING_FIELDS_ERROR"),
        ("/bare/401", 401, "INVALID_SESSION_ERROR"),
        ("/bare/408", 408, "MISSING_FIELDS_ERROR"),
        ("/bare/415", 415, "MISSING_FIELDS_ERROR"),
        ("/bare/429", 429, "RATELIMITED_ERROR"),
        ("/bare/502", 502, "INTERNAL_SERVER_ERROR"),
        ("/bare/503", 503, "SERVICE_UNAVAILABLE_ERROR"),
    ] {
        let (answered, headers, body) = answer(get(path));
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((answered, body["code"].as_str()), (status, Some(code)), "{path}");
        assert_eq!(header(&headers, "content-type"), "application/json", "{path}");
        assert!(!body.to_string().contains("db.internal"));
        let retry = header(&headers, "retry-after");
        assert_eq!(retry, if matches!(status, 429 | 503) { "1" } else { "" }, "{path}");
    }
    let (status, headers, _) = answer(get("/id").method(Method::POST));
    assert_eq!((status, header(&headers, "allow")), (405, "GET"));
}

#[test]
fn head_has_the_headers_of_get_and_no_body_on_the_wire() {
    let ask = |method: &str, path: &str| {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        over_the_wire(mount, request.into_bytes())
    };
    for path in ["/none", "/text", "/inner", "/own"] {
        let (head, get) = (ask("HEAD", path), ask("GET", path));
        let (head_lines, head_body) = head.split_once("\r\n\r\n").unwrap();
        let (get_lines, get_body) = get.split_once("\r\n\r\n").unwrap();
        let sorted = |lines: &str| {
            let undated = |line: &&str| !line.starts_with("date:");
            let mut lines: Vec<String> = lines.lines().filter(undated).map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(head_lines), sorted(get_lines), "{path}");
        assert!(head_body.is_empty() && serde_json::from_str::<Value>(get_body).is_ok(), "{path}: {get}");
    }
}

#[test]
fn strange_requests_are_answered_in_json_over_the_wire() {
    for lines in [
        "GET /%ff%00/../x?%zz HTTP/1.1\r\nHost: x",
        "GET /none HTTP/1.1\r\nHost: x\r\nUser-Agent: \u{fffd}\r\nX-Request-ID: \u{e4}",
        "BREW /id HTTP/1.1\r\nHost: x",
        "OPTIONS * HTTP/1.1\r\nHost: x",
        "GET http://other.example/id2 HTTP/1.1\r\nHost: x",
    ] {
        let answer = over_the_wire(mount, format!("{lines}\r\nConnection: close\r\n\r\n").into_bytes());
        assert!(answer.starts_with("HTTP/1.1 40"), "{lines}: {answer}");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert!(serde_json::from_str::<Value>(body).is_ok_and(|body| body["code"].is_string()), "{lines}: {answer}");
    }
}

/// Writes down what a thread logs. It is the subscriber of all tests of this process: one for each test would come
/// and go while other tests meet the places that log for the first time, and tracing caches whether anybody
/// was interested then.
struct Notes;

thread_local! {
    static NOTED: RefCell<String> = const { RefCell::new(String::new()) };
}

impl tracing::field::Visit for Notes {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        note(&format!("{field}={value:?}"));
    }
}

fn note(text: &str) {
    NOTED.with_borrow_mut(|noted| {
        noted.push(' ');
        noted.push_str(text);
    });
}

impl tracing::Subscriber for Notes {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("thunderhead")
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        span.record(&mut Self);
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Self);
    }
    fn event(&self, event: &tracing::Event<'_>) {
        note(event.metadata().level().as_str());
        event.record(&mut Self);
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

fn noted(request: TestRequest) -> String {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| tracing::subscriber::set_global_default(Notes).unwrap());
    NOTED.take();
    answer(request);
    NOTED.take()
}

#[test]
fn a_finished_request_is_one_line_without_secrets() {
    let request = get("/none?token=secret").insert_header(("Authorization", "secret")).set_payload("secret");
    let notes = noted(request);
    for part in ["method=\"GET\"", "path=\"/none\"", DRAWN, "status=404", "duration_ms=", "INFO message=finished"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    assert!(!notes.contains("secret"), "{notes}");
    assert_eq!(notes.matches("finished").count(), 1);
    assert!(noted(get("/inner")).contains("status=413"));
    assert!(noted(get("/health/live")).contains("DEBUG message=finished"));
}

#[test]
fn what_a_thread_logs_belongs_to_the_request_that_it_is_busy_with() {
    let told = || record::with_current(|name| format!("{} {} {}", name.method(), name.path(), name.id()));
    let mount = move |services: &mut web::ServiceConfig| {
        let tell = move |request: actix_web::HttpRequest| async move {
            let before = told();
            rt::task::yield_now().await;
            assert_eq!((request.path(), told()), ("/a/b", before.clone()));
            before
        };
        services.route("/{any}*", web::get().to(tell));
    };
    let body = System::new().block_on(async move {
        let layer = RequestContextLayer::new(Arc::new(Zeros), Draining::default(), error_format);
        let app = init_service(App::new().configure(mount).wrap(layer)).await;
        let response = try_call_service(&app, get("/a/b?token=secret").to_request()).await.unwrap();
        assert_eq!(told(), None);
        read_body(response).await
    });
    assert_eq!(body, format!("GET /a/b {DRAWN}"));
}

#[test]
fn a_long_path_is_cut_in_the_log() {
    assert!(noted(get(&format!("/{}", "x".repeat(10_000)))).len() < 1_000);
}

#[test]
fn connections_are_closed_with_their_next_answer_while_the_server_drains() {
    let connection = |draining: Draining| {
        System::new().block_on(async move {
            let app =
                App::new().configure(mount).wrap(RequestContextLayer::new(Arc::new(Zeros), draining, error_format));
            let response = try_call_service(&init_service(app).await, get("/id").to_request()).await;
            response.unwrap().response().head().connection_type()
        })
    };
    let draining = Draining::default();
    assert_ne!(connection(draining.clone()), ConnectionType::Close);
    draining.begin();
    assert_eq!(connection(draining), ConnectionType::Close);
}
