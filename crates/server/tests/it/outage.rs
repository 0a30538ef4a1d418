//! The database goes away: 503 with `Retry-After`, never an answer that logs people out.

use std::time::Duration;

use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Client, Cut, Response, TestApp};
use crate::errors::{NOT_AUTHENTICATED, UNAVAILABLE};
use crate::routes::{ROWS, Row, Who};

on_both_engines!(
    every_endpoint_is_503_while_the_database_is_away,
    every_operation_that_fails_is_503_wherever_it_is_used,
    health_tells_a_live_server_from_a_ready_one,
    uses_that_could_not_be_written_do_no_harm,
);

/// Every operation that an endpoint may ask of the storage.
const OPERATIONS: [&str; 27] = [
    "account_register",
    "account_find",
    "account_credential",
    "account_page",
    "account_rename",
    "account_readdress",
    "account_set_password",
    "account_rehash",
    "account_set_verified",
    "account_ban",
    "account_unban",
    "account_set_staff",
    "account_delete",
    "session_open",
    "session_open_from",
    "session_authority",
    "session_find",
    "session_page",
    "session_end",
    "session_end_some",
    "session_end_all",
    "session_end_others",
    "switches",
    "switch_set",
    "switch_clear",
    "budget_charge",
    "budget_clear",
];

#[track_caller]
fn is_an_outage(response: &Response) {
    response.is(UNAVAILABLE);
    assert_eq!(response.header("retry-after"), Some("1"));
}

/// Somebody who may call the endpoint.
fn caller(app: &TestApp, row: &Row, ada: &Client, root: &Client) -> Client {
    match row.who {
        Who::Visitor | Who::Entrant => app.anonymous(),
        Who::User => ada.clone(),
        Who::Staff => root.clone(),
    }
}

fn every_endpoint_is_503_while_the_database_is_away(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let session = ada.log_in("ada").session_id();
    app.cut(Cut::Everything);
    for row in &ROWS {
        let callers = [caller(&app, row, &ada, &root), app.anonymous(), ada.with_token("garbage")];
        for caller in callers {
            is_an_outage(&row.call_about(&app, &caller, &ada, session).send());
        }
    }
    is_an_outage(&app.anonymous().get("/api/nowhere"));
    app.cut(Cut::Nothing);
    assert!(ada.works() && root.works());
    ada.with_token("garbage").get("/api/users/me").is(NOT_AUTHENTICATED);
}

fn every_operation_that_fails_is_503_wherever_it_is_used(database: TestDatabase) {
    let app = TestApp::start(database);
    let mut unused = OPERATIONS.to_vec();
    for (number, row) in ROWS.iter().enumerate() {
        let (user, root) = (app.user(&format!("ada{number}")), app.staff(&format!("root{number}")));
        for operation in OPERATIONS {
            // A session of their own each: some endpoints end the one in use.
            let ada = if row.is_fatal() { app.spare() } else { user.log_in(user.name()) };
            let caller = caller(&app, row, &ada, &root);
            let session = ada.session_id();
            app.cut(Cut::Operation(operation));
            let response = row.call_about(&app, &caller, &ada, session).send();
            if app.cut(Cut::Nothing) > 0 {
                is_an_outage(&response);
                unused.retain(|unused| *unused != operation);
            } else {
                assert_eq!(response.status, row.success, "{row:?} without {operation}: {response:?}");
            }
        }
    }
    // A login of somebody whose hash is outdated is not among the rows.
    assert_eq!(unused, ["account_rehash"]);
}

fn health_tells_a_live_server_from_a_ready_one(database: TestDatabase) {
    let app = TestApp::start(database);
    let anonymous = app.anonymous();
    assert_eq!(anonymous.get("/health/ready").expect(200)["status"], "ready");
    app.cut(Cut::Everything);
    assert_eq!(anonymous.get("/health/live").expect(200)["status"], "alive");
    is_an_outage(&anonymous.get("/health/ready"));
    anonymous.get("/.well-known/jwks.json").expect(200);
    app.cut(Cut::Nothing);
    assert_eq!(anonymous.get("/health/ready").status, 200);
}

fn uses_that_could_not_be_written_do_no_harm(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    assert!(ada.works());
    app.cut(Cut::Operation("session_record_uses"));
    assert!(app.try_flush_uses().is_err());
    app.cut(Cut::Nothing);
    assert!(ada.works());
    app.flush_uses();
    assert!(ada.get("/api/users/me/sessions/me").expect(200)["usedAt"].is_string());
}

/// A real database that is really gone, and not one whose line was cut.
#[test]
fn a_dropped_postgres_database_is_an_outage() {
    let app = TestApp::start(TestDatabase::postgres());
    let ada = app.user("ada");
    let hasty = app.replica_with(|options| options.deadline = Some(Duration::from_millis(300)));
    assert!(ada.at(&hasty).works());
    app.drop_database();
    let nobody = hasty.anonymous();
    for client in [&ada.at(&hasty), &nobody, &nobody.with_token("garbage")] {
        is_an_outage(&client.get("/api/users/me"));
    }
    is_an_outage(&nobody.get("/health/ready"));
    nobody.get("/health/live").expect(200);
}
