//! Confirming that a session is in its user's hands (`docs/MODEL.md`, *Confirming*), whatever page asks for it.

use thunderhead_auth::credentials::confirm::{ConfirmationError, Confirmed};
use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::credentials::reverify::IdentityProof;
use thunderhead_domain::authorization::{
    Access, Authorized, Principal, RequestContext, Requirement, ScopeRule, StaffFactor, authorize,
};
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Cut, PASSWORD, Response, TestApp};
use crate::kratos;

on_both_engines!(
    the_token_before_is_refused_by_a_replica_that_remembers_it,
    a_token_that_was_just_replaced_does_not_have_its_cookie_cleared,
    a_login_counts_for_ten_minutes_and_a_confirmation_as_long_again,
    a_scoped_session_is_never_confirmed,
    a_session_with_a_signed_token_is_not_confirmed,
);

/// A browser's session token, by a login with the password alone.
fn opaque(app: &TestApp, name: &str) -> String {
    let flow = kratos::begin(app, "browser", "");
    let response = kratos::submission(app, &flow, &kratos::password(name)).send();
    response.expect(200);
    let cookie = response.header("set-cookie").unwrap();
    cookie.split(';').next().unwrap().split_once('=').unwrap().1.to_owned()
}

fn whoami(app: &TestApp, token: &str) -> Response {
    let cookie = format!("__Host-thunderhead_session={token}");
    app.anonymous().call("GET", "/auth/sessions/whoami").header("Cookie", &cookie).send()
}

/// Who calls with a token that is good.
fn principal(app: &TestApp, token: &str) -> Principal {
    let lookup = block_on(app.auth().lookup.look_up(Some(token))).unwrap();
    let requirement = Requirement { access: Access::User(ScopeRule::Any), switches: &[], reverify: true };
    let context = RequestContext {
        client_ip: None,
        over_limit: false,
        switches: lookup.switches,
        staff_factor: StaffFactor::Waived,
        cross_site: false,
    };
    match authorize(&requirement, lookup.caller, context) {
        Ok(Authorized::User(principal)) => principal,
        other => panic!("{other:?}"),
    }
}

fn confirm(app: &TestApp, token: &str) -> Result<Confirmed, ConfirmationError> {
    let proof = IdentityProof::Password(Password::new(PASSWORD.to_owned()));
    block_on(app.auth().confirmations.confirm(principal(app, token), token, proof))
}

fn is_confirmed(app: &TestApp, token: &str) -> bool {
    app.auth().confirmations.reverified(principal(app, token)).is_some()
}

fn the_token_before_is_refused_by_a_replica_that_remembers_it(database: TestDatabase) {
    let near = TestApp::start(database);
    let far = near.replica();
    near.user("ada");
    let old = opaque(&near, "ada");
    for app in [&near, &far] {
        for _ in 0..2 {
            whoami(app, &old).expect(200);
        }
        app.cut(Cut::Operation("session_authority"));
        whoami(app, &old).expect(200);
        app.cut(Cut::Nothing);
    }
    let session = whoami(&near, &old).expect(200)["id"].clone();
    let new = confirm(&far, &old).unwrap().token.expose().to_owned();
    for app in [&near, &far] {
        whoami(app, &old).expect(401);
        assert_eq!(whoami(app, &new).expect(200)["id"], session);
        // Nor when it is asked for once more.
        whoami(app, &old).expect(401);
    }
}

fn a_token_that_was_just_replaced_does_not_have_its_cookie_cleared(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let old = opaque(&app, "ada");
    confirm(&app, &old).unwrap();
    let cleared = || {
        let response = whoami(&app, &old);
        response.expect(401);
        response.header("set-cookie").is_some()
    };
    assert!(!cleared());
    app.clock().advance_seconds(60);
    assert!(!cleared());
    app.cut(Cut::Operation("token_was_replaced"));
    assert!(!cleared(), "nobody can tell");
    app.cut(Cut::Nothing);
    app.clock().advance_seconds(1);
    assert!(cleared());
    assert!(whoami(&app, &"x".repeat(32)).header("set-cookie").is_some());
}

fn a_login_counts_for_ten_minutes_and_a_confirmation_as_long_again(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let first = opaque(&app, "ada");
    app.clock().advance_seconds(600);
    assert!(is_confirmed(&app, &first));
    app.clock().advance_seconds(1);
    assert!(!is_confirmed(&app, &first));
    let other = opaque(&app, "ada");
    let second = confirm(&app, &first).unwrap().token;
    assert!(is_confirmed(&app, second.expose()) && is_confirmed(&app, &other));
    app.clock().advance_seconds(600);
    assert!(is_confirmed(&app, second.expose()));
    app.clock().advance_seconds(1);
    assert!(!is_confirmed(&app, second.expose()));
}

fn a_scoped_session_is_never_confirmed(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let script = ada.scoped(&[Scope::All]);
    assert!(is_confirmed(&app, ada.token()) && !is_confirmed(&app, script.token()));
}

fn a_session_with_a_signed_token_is_not_confirmed(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    assert!(matches!(confirm(&app, ada.token()), Err(ConfirmationError::SignedToken)));
    assert!(ada.works());
}
