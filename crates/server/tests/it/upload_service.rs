//! `examples/upload-service`, as it is, beside the program itself: what is ended here is refused there.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::dev::ServerHandle;
use actix_web::rt::System;
use actix_web::{App, HttpServer, web};
use serde_json::{Value, json};
use tempfile::TempDir;
use thunderhead_domain::ports::Clock;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::time::Timestamp;
use thunderhead_testkit::block_on;
use upload_service::guard::Guard;
use upload_service::thunderhead::OverHttp;
use upload_service::upload::{Uploads, mount};
use ureq::Agent;

use crate::app::{PASSWORD, registration};
use crate::process::Process;

/// The program runs on the system's clock, and so does this.
struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the program that is tested beside it has the real time too")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_unix_millis(since.as_millis().try_into().unwrap())
    }
}

/// The example in the test's process. It stops when it is dropped.
struct Service {
    handle: ServerHandle,
    thread: Option<JoinHandle<io::Result<()>>>,
    address: SocketAddr,
    folder: TempDir,
}

impl Service {
    fn start(thunderhead: SocketAddr, secret: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let asks = OverHttp::new(&format!("http://{thunderhead}"), "uploads", secret);
        let guard = Guard::new(Arc::new(asks), Arc::new(SystemClock), "thunderhead".to_owned());
        let uploads = web::Data::new(Uploads::new(guard, folder.path().to_owned(), 1_000).unwrap());
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            System::new().block_on(async {
                let server = HttpServer::new(move || App::new().configure(mount(uploads.clone()))).workers(1);
                let server = server.disable_signals().bind("127.0.0.1:0").unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                tell.send((server.handle(), address)).unwrap();
                server.await
            })
        });
        let (handle, address) = told.recv().expect("a server");
        Self { handle, thread: Some(thread), address, folder }
    }

    /// The status that an upload gets.
    fn upload(&self, token: &str) -> u16 {
        let request = agent().put(format!("http://{}/files", self.address));
        request.header("Authorization", format!("Bearer {token}")).send("some bytes").unwrap().status().as_u16()
    }

    fn files(&self) -> usize {
        fs::read_dir(self.folder.path()).unwrap().count()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        block_on(self.handle.stop(true));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).proxy(None).build().into()
}

/// Asks the API, and gives what it answers with a 2xx.
fn api(thunderhead: &Process, method: &str, path: &str, token: Option<&str>, body: &Value) -> Value {
    let mut request = ureq::http::Request::builder().method(method);
    request =
        request.uri(format!("http://{}/api{path}", thunderhead.address)).header("Content-Type", "application/json");
    if let Some(token) = token {
        request = request.header("Authorization", token);
    }
    let mut response = agent().run(request.body(body.to_string()).unwrap()).unwrap();
    let body = response.body_mut().read_to_string().unwrap();
    assert!(response.status().is_success(), "{method} {path}: {} {body}", response.status());
    serde_json::from_str(&body).unwrap()
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("{name}: {answer}")).to_owned()
}

#[test]
fn the_example_lets_in_whom_the_scopes_let_in_and_until_the_session_ends() {
    let thunderhead = Process::start(&[]);
    let created = thunderhead.operate(&["service", "create", "uploads", "--json"]);
    let secret = text(&serde_json::from_str(&created).unwrap(), "secret");
    let service = Service::start(thunderhead.address, &secret);

    let ada = registration("ada");
    api(&thunderhead, "POST", "/register", None, &ada);
    let full = text(&api(&thunderhead, "POST", "/login", None, &ada), "token");
    let scoped = |scope: Scope| {
        let wish = json!({"name": scope.name(), "permissionFlags": scope.bit(), "password": PASSWORD});
        text(&api(&thunderhead, "POST", "/users/me/sessions", Some(&full), &wish), "token")
    };
    let (uploader, reader) = (scoped(Scope::UploadFile), scoped(Scope::FileRead));

    assert_eq!([&full, &uploader, &reader].map(|token| service.upload(token)), [201, 201, 403]);
    assert_eq!(service.upload("not a token"), 401);
    assert_eq!(service.files(), 2);

    // The uploader's session is ended by its user's own one; the very next request is refused.
    let sessions = api(&thunderhead, "GET", "/users/me/sessions", Some(&full), &json!({}));
    let items = sessions["items"].as_array().unwrap();
    let id = &items.iter().find(|item| item["name"] == "UPLOAD_FILE").unwrap()["id"];
    api(&thunderhead, "DELETE", &format!("/users/me/sessions/{id}"), Some(&full), &json!({"password": PASSWORD}));
    assert_eq!([&full, &uploader, &reader].map(|token| service.upload(token)), [201, 401, 403]);

    // A service that may no longer ask knows nothing, and one that cannot ask neither.
    thunderhead.operate(&["service", "revoke", "uploads"]);
    assert_eq!(service.upload(&full), 503);
    drop(thunderhead);
    assert_eq!(service.upload(&full), 503);
    assert_eq!(service.files(), 3);
}
