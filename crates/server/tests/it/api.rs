//! `/api`: the current dialect (`docs/MODEL.md`).

mod killswitches;
mod login;
mod register;
mod staff;
mod users;

use serde_json::json;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::TestApp;

on_both_engines!(hello_answers_every_method_without_authentication);

fn hello_answers_every_method_without_authentication(database: TestDatabase) {
    let app = TestApp::start(database);
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        for path in ["/api/", "/api"] {
            let response = app.anonymous().call(method, path).send();
            let expected = json!({"hello": "world", "version": env!("CARGO_PKG_VERSION")});
            assert_eq!(response.expect(200), expected, "{method} {path}");
        }
    }
    assert_eq!(app.anonymous().with_token("garbage").get("/api/").status, 200);
}
