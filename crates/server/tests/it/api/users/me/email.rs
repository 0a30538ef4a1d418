//! `PUT /api/users/me/email`.

use serde_json::json;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Client, PASSWORD, Response, TestApp};
use crate::errors::{INVALID_EMAIL, USER_EXISTS};

on_both_engines!(
    a_user_takes_another_address,
    a_changed_address_is_no_longer_verified,
    an_address_that_somebody_has_is_409_however_it_is_spelt,
    a_text_that_is_no_address_is_400_before_the_password_is_checked,
);

fn readdress(client: &Client, address: &str) -> Response {
    client.put("/api/users/me/email", &json!({"email": address, "password": PASSWORD}))
}

fn a_user_takes_another_address(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, other) = (app.user("ada"), app.anonymous().log_in("ada"));
    let answer = readdress(&ada, "ada@other.example").expect(200);
    assert_eq!(answer, ada.get("/api/users/me").expect(200));
    assert_eq!((&answer["email"], &answer["username"]), (&json!("ada@other.example"), &json!("ada")));
    assert!(other.works(), "a new address ends no session");
    let bob = app.user("bob");
    assert_eq!(readdress(&bob, "ada@example.org").expect(200)["email"], "ada@example.org");
}

fn a_changed_address_is_no_longer_verified(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let verify = format!("/api/users/{}/verify", ada.id());
    let verified = root.put(&verify, &json!({"password": PASSWORD})).expect(200);
    assert_eq!(verified["verifiedAt"], "2026-01-15T12:00:00.250Z");
    assert_eq!(readdress(&ada, "ada@other.example").expect(200)["verifiedAt"], json!(null));
    assert_eq!(ada.get("/api/users/me").expect(200)["verifiedAt"], json!(null));
}

fn an_address_that_somebody_has_is_409_however_it_is_spelt(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, _bob) = (app.user("ada"), app.user("bob"));
    for address in ["bob@example.org", "BOB@EXAMPLE.ORG"] {
        readdress(&ada, address).is(USER_EXISTS);
    }
    assert_eq!(readdress(&ada, "ADA@example.org").expect(200)["email"], "ADA@example.org");
}

fn a_text_that_is_no_address_is_400_before_the_password_is_checked(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for address in ["", "ada", "@example.org", "ada@", "Ada <ada@example.org>", "a\n@example.org"] {
        readdress(&ada, address).is(INVALID_EMAIL);
        ada.put("/api/users/me/email", &json!({"email": address, "password": "wrong"})).is(INVALID_EMAIL);
    }
    assert_eq!(ada.get("/api/users/me").expect(200)["email"], "ada@example.org");
}
