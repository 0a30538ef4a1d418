//! Bodies of every kind, in the service and over a real connection.

use actix_web::http::StatusCode;
use actix_web::rt::System;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, HttpResponse};
use serde_json::json;

use super::*;
use crate::middleware::request_context::tests::{over_the_wire, over_the_wire_cut_short};

async fn echo(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    match read_object(&request, payload, BODY_DEADLINE).await {
        Ok(object) => HttpResponse::Ok().json(object),
        Err(BodyError::TooLarge) => HttpResponse::PayloadTooLarge().finish(),
        Err(BodyError::NotAnObject) => HttpResponse::BadRequest().finish(),
    }
}

async fn impatient(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    match read_object(&request, payload, Duration::ZERO).await {
        Err(BodyError::NotAnObject) => HttpResponse::BadRequest().finish(),
        other => HttpResponse::Ok().body(format!("{other:?}")),
    }
}

fn mount(services: &mut web::ServiceConfig) {
    services.route("/echo", web::post().to(echo)).route("/impatient", web::post().to(impatient));
}

fn answer_to(request: TestRequest) -> (StatusCode, Value) {
    System::new().block_on(async {
        let service = init_service(App::new().configure(mount)).await;
        let response = call_service(&service, request.uri("/echo").to_request()).await;
        let status = response.status();
        (status, serde_json::from_slice(&read_body(response).await).unwrap_or(Value::Null))
    })
}

fn json_request(body: impl Into<Vec<u8>>) -> TestRequest {
    TestRequest::post().insert_header((CONTENT_TYPE, "application/json")).set_payload(body.into())
}

#[test]
fn an_object_is_read_and_the_last_of_a_repeated_key_counts() {
    let (status, body) = answer_to(json_request(r#" {"a": 1, "b": "ä", "a": 2} "#));
    assert_eq!((status, body), (StatusCode::OK, json!({"a": 2, "b": "ä"})));
}

#[test]
fn parameters_and_case_of_the_content_type_do_not_matter() {
    for content_type in ["application/json; charset=utf-8", "Application/JSON", " application/json ;x"] {
        let request = TestRequest::post().insert_header((CONTENT_TYPE, content_type)).set_payload("{}");
        assert_eq!(answer_to(request).0, StatusCode::OK, "{content_type}");
    }
    for content_type in ["", "text/plain", "application/jsonp", "application/x-www-form-urlencoded", "json", "\u{7f}"] {
        let Ok(value) = actix_web::http::header::HeaderValue::from_bytes(content_type.as_bytes()) else { continue };
        let request = TestRequest::post().insert_header((CONTENT_TYPE, value)).set_payload("{}");
        assert_eq!(answer_to(request).0, StatusCode::BAD_REQUEST, "{content_type}");
    }
    assert_eq!(answer_to(TestRequest::post().set_payload("{}")).0, StatusCode::BAD_REQUEST);
}

#[test]
fn what_is_no_json_object_is_refused() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_objects = "{\"a\":".repeat(10_000);
    let bodies: [&[u8]; 16] = [
        b"",
        b" ",
        b"\0",
        b"null",
        b"[]",
        b"5",
        b"\"{}\"",
        b"{",
        b"{} {}",
        b"{'a':1}",
        b"{\"a\":NaN}",
        b"{\"a\":\"\xff\"}",
        b"{\"a\":\"\0\"}",
        b"{\"a\":\"\\ud800\"}",
        deep.as_bytes(),
        deep_objects.as_bytes(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(body.get(..20).unwrap_or(body));
        assert_eq!(answer_to(json_request(body)).0, StatusCode::BAD_REQUEST, "{shown}");
    }
}

#[test]
fn a_packed_body_is_not_unpacked() {
    let request = |encoding: &'static str| json_request("{}").insert_header((CONTENT_ENCODING, encoding));
    assert_eq!(answer_to(request("gzip")).0, StatusCode::BAD_REQUEST);
    assert_eq!(answer_to(request("identity")).0, StatusCode::OK);
}

#[test]
fn a_body_may_have_64_kib_and_no_more() {
    let padded = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    assert_eq!(answer_to(json_request(padded(LONGEST_BODY))).0, StatusCode::OK);
    assert_eq!(answer_to(json_request(padded(LONGEST_BODY + 1))).0, StatusCode::PAYLOAD_TOO_LARGE);
    let plain = TestRequest::post().set_payload(padded(LONGEST_BODY + 1));
    assert_eq!(answer_to(plain).0, StatusCode::PAYLOAD_TOO_LARGE);
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let start = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n");
    format!("{start}{headers}\r\n\r\n{body}").into_bytes()
}

fn status_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

#[test]
fn chunked_bodies_are_read_and_limited() {
    let chunked = "Transfer-Encoding: chunked\r\nConnection: close";
    let answer = over_the_wire(mount, post("/echo", chunked, "3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{\"a\":1}"), "{answer}");
    let endless = format!("8000\r\n{}\r\n", " ".repeat(0x8000)).repeat(32);
    let answer = over_the_wire(mount, post("/echo", chunked, &endless));
    assert_eq!(status_line(&answer), "HTTP/1.1 413 Payload Too Large");
    let answer = over_the_wire(mount, post("/echo", chunked, "zz\r\n{}"));
    assert_eq!(status_line(&answer), "HTTP/1.1 400 Bad Request");
}

#[test]
fn a_body_that_is_declared_too_large_is_refused_unread() {
    let answer = over_the_wire(mount, post("/echo", "Content-Length: 1000000\r\nConnection: close", ""));
    assert_eq!(status_line(&answer), "HTTP/1.1 413 Payload Too Large");
    let megabyte = " ".repeat(1_000_000);
    let answer = over_the_wire(mount, post("/echo", "Content-Length: 1000000\r\nConnection: close", &megabyte));
    assert_eq!(status_line(&answer), "HTTP/1.1 413 Payload Too Large");
}

#[test]
fn a_body_that_breaks_off_is_no_object_and_a_surplus_is_not_part_of_it() {
    let short = over_the_wire_cut_short(mount, post("/echo", "Content-Length: 3", "{}"));
    assert_eq!(status_line(&short), "HTTP/1.1 400 Bad Request");
    let long = over_the_wire(mount, post("/echo", "Content-Length: 2\r\nConnection: close", "{}, surplus"));
    assert!(status_line(&long).starts_with("HTTP/1.1 200"), "{long}");
}

#[test]
fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let answer = over_the_wire(mount, post("/impatient", "Content-Length: 10\r\nConnection: close", "{\"a\""));
    assert_eq!(status_line(&answer), "HTTP/1.1 400 Bad Request");
}
