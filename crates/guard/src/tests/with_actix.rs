//! The extractors of actix-web.

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, web};
use thunderhead_domain::scope::Scope;

use super::server::{FakeServer, Reply};
use super::*;
use crate::actix::{Permitted, Watched};
use crate::requirement::Requires;

struct MayUpload;

impl Requires for MayUpload {
    const REQUIREMENT: SessionRequirement = SessionRequirement::LIVE.scope(Scope::UploadFile);
}

/// Status, `WWW-Authenticate`, `Retry-After` and `Cache-Control` of an answer.
type Told = (u16, Option<String>, Option<String>, Option<String>);

async fn upload(session: Permitted<MayUpload>) -> HttpResponse {
    assert_eq!(session.username(), "ada");
    HttpResponse::NoContent().finish()
}

async fn stream(session: Watched) -> HttpResponse {
    assert_eq!(session.watch.session().username(), "ada");
    HttpResponse::NoContent().finish()
}

async fn ask(guard: Option<SessionGuard>, request: TestRequest) -> Told {
    let mut app = App::new();
    if let Some(guard) = guard {
        app = app.app_data(guard);
    }
    let app = app.route("/files", web::put().to(upload)).route("/stream", web::get().to(stream));
    let response = call_service(&init_service(app).await, request.to_request()).await;
    let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), header(WWW_AUTHENTICATE), header(RETRY_AFTER), header(CACHE_CONTROL))
}

fn put() -> TestRequest {
    TestRequest::put().uri("/files")
}

fn with(token: &str) -> TestRequest {
    put().insert_header((AUTHORIZATION, format!("Bearer {token}")))
}

fn told(status: u16, challenge: Option<&str>) -> Told {
    let retry = (status == 503).then(|| "1".to_owned());
    let no_store = (status != 204).then(|| "no-store".to_owned());
    (status, challenge.map(str::to_owned), retry, no_store)
}

#[test]
fn a_handler_is_called_with_evidence_or_not_at_all() {
    let server = FakeServer::start();
    server.grant("uploader", "UPLOAD_FILE");
    server.grant("reader", "FILE_READ");
    server.say("broken", Reply::Status(500, String::new()));
    for staleness in [Staleness::Exact, WITHIN] {
        actix_web::rt::System::new().block_on(async {
            let guard = builder(&server).staleness(staleness).build().unwrap();
            let invalid = Some("Bearer error=\"invalid_token\"");
            let scope = Some("Bearer error=\"insufficient_scope\", scope=\"UPLOAD_FILE\"");
            for (request, expected) in [
                (put as fn() -> TestRequest, told(401, Some("Bearer"))),
                (|| with("uploader"), told(204, None)),
                // From what is kept, as the case may be.
                (|| with("uploader"), told(204, None)),
                (|| with("reader"), told(403, scope)),
                (|| with("nobody"), told(401, invalid)),
                (|| with("a b"), told(401, invalid)),
                (|| with("broken"), told(503, None)),
                (|| put().insert_header((COOKIE, "session=uploader")), told(401, Some("Bearer"))),
                (|| with("reader").uri("/stream").method(actix_web::http::Method::GET), told(204, None)),
                (|| with("nobody").uri("/stream").method(actix_web::http::Method::GET), told(401, invalid)),
            ] {
                assert_eq!(ask(Some(guard.clone()), request()).await, expected, "{:?}", request().to_request());
            }
            // An application that forgot its guard has no open doors.
            assert_eq!(ask(None, with("uploader")).await, told(503, None));
        });
    }
}

#[test]
fn a_cookie_is_taken_where_it_is_asked_for_and_makes_no_changes_for_other_sites() {
    let server = FakeServer::start();
    server.grant("uploader", "UPLOAD_FILE");
    actix_web::rt::System::new().block_on(async {
        let guard = builder(&server).cookie("session", ["https://app.example"]).build().unwrap();
        for (site, expected) in [("same-origin", 204), ("cross-site", 403)] {
            let request = put().insert_header((COOKIE, "session=uploader")).insert_header(("sec-fetch-site", site));
            assert_eq!(ask(Some(guard.clone()), request).await.0, expected, "{site}");
        }
    });
}
