//! More passwords are submitted than can be hashed: who is refused, what that costs them, and who gets in all the same.

use std::num::NonZeroUsize;
use std::sync::Arc;

use serde_json::json;
use thunderhead_auth::settings::LoginErrors;
use thunderhead_domain::budget::{BudgetKey, Charge};
use thunderhead_domain::ports::Storage;
use thunderhead_http::request::client_ip::TrustedProxies;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{PASSWORD, Response, TestApp};
use crate::errors::UNAVAILABLE;
use crate::stale_preconditions::action;

on_both_engines!(
    strangers_who_find_no_place_are_refused_at_once_and_not_charged_and_known_people_get_in,
    whoever_finds_no_place_learns_nothing_of_the_name,
    where_nobody_gets_a_place_nothing_is_read,
    a_stranger_who_guesses_again_is_refused_and_nothing_is_read,
);

/// An address from which nobody has had a session.
const STRANGE: &str = "198.51.100.7";

/// A server with so many places, of which a quarter, rounded up, is kept.
fn app(database: TestDatabase, places: usize, login_errors: LoginErrors) -> Arc<TestApp> {
    Arc::new(TestApp::with(database, |config| {
        config.hashing.queue = NonZeroUsize::new(places).unwrap();
        config.http.trusted_proxies = TrustedProxies::new(vec!["127.0.0.1/32".parse().unwrap()]);
        config.policy.login_errors = login_errors;
        // A connection that is opened beside another one is the other worker's. On a clock that stands still no request
        // asks again what has changed: the worker that did so last may be the one that a guess holds up.
        config.http.workers = 2;
        config.cache_settings.max_staleness_millis = 1;
    }))
}

fn log_in(app: &TestApp, from: &str, name: &str, password: &str) -> Response {
    let login = json!({"username": name, "password": password});
    app.anonymous().call("POST", "/api/login").header("X-Forwarded-For", from).json(&login).send()
}

fn is_refused(response: &Response) {
    response.is(UNAVAILABLE);
    assert_eq!(response.header("retry-after"), Some("1"));
}

/// Does something while a stranger's guess has its place, and is about to be charged.
fn beside_a_guess(app: &Arc<TestApp>, name: &str, act: impl FnOnce(&TestApp, &dyn Storage) + Send + 'static) {
    let (done, inside) = (Arc::new(std::sync::OnceLock::new()), Arc::clone(app));
    let told = Arc::clone(&done);
    app.before("budget_charge", move |storage| {
        act(&inside, storage);
        told.set(()).unwrap();
    });
    let guess = log_in(app, STRANGE, name, "not the password");
    assert!((400..500).contains(&guess.status), "{guess:?}");
    assert!(done.get().is_some(), "nobody was charged");
}

fn strangers_who_find_no_place_are_refused_at_once_and_not_charged_and_known_people_get_in(database: TestDatabase) {
    let app = app(database, 2, LoginErrors::Detailed);
    let (_, bob) = (app.user("ada"), app.user("bob").user_id());
    beside_a_guess(&app, "ada", move |app, storage| {
        is_refused(&log_in(app, "203.0.113.9", "bob", PASSWORD));
        match block_on(storage.budget_charge(&BudgetKey::Account(bob), action())).unwrap() {
            Charge::Admitted(receipt) => assert_eq!(receipt.before, None, "the one who was refused was charged"),
            Charge::Wait(millis) => panic!("{millis}"),
        }
        for name in ["ada", "bob"] {
            assert_eq!(log_in(app, "127.0.0.1", name, PASSWORD).status, 201, "{name} is known there");
        }
        let ada = app.anonymous().log_in("ada");
        let proof = json!({"password": PASSWORD, "name": "t", "permissionFlags": 2});
        let scoped = ada.call("POST", "/api/users/me/sessions").header("X-Forwarded-For", STRANGE).json(&proof).send();
        assert_eq!(scoped.status, 201, "who has a session is known everywhere: {scoped:?}");
    });
    assert_eq!(log_in(&app, "203.0.113.9", "bob", PASSWORD).status, 201, "places are free again");
}

fn whoever_finds_no_place_learns_nothing_of_the_name(database: TestDatabase) {
    let app = app(database, 2, LoginErrors::Uniform);
    app.user("ada");
    app.user("bob");
    beside_a_guess(&app, "ada", |app, _| {
        let answers = ["bob", "nobody", "somebody@example.org"].map(|name| {
            let refused = log_in(app, STRANGE, name, PASSWORD);
            is_refused(&refused);
            refused.text()
        });
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    });
}

fn where_nobody_gets_a_place_nothing_is_read(database: TestDatabase) {
    let app = app(database, 1, LoginErrors::Detailed);
    app.user("ada");
    app.user("bob");
    beside_a_guess(&app, "ada", |app, _| {
        app.before("account_attempted", |_| panic!("an account was read"));
        is_refused(&log_in(app, "127.0.0.1", "bob", PASSWORD));
        app.before("account_attempted", |_| ());
    });
}

fn a_stranger_who_guesses_again_is_refused_and_nothing_is_read(database: TestDatabase) {
    let app = app(database, 2, LoginErrors::Detailed);
    app.user("ada");
    app.user("bob");
    beside_a_guess(&app, "ada", |app, _| {
        is_refused(&log_in(app, "203.0.113.9", "bob", PASSWORD));
        app.before("account_attempted", |_| panic!("an account was read"));
        is_refused(&log_in(app, "203.0.113.10", "bob", PASSWORD));
        app.before("account_attempted", |_| ());
        assert_eq!(log_in(app, "127.0.0.1", "bob", PASSWORD).status, 201, "bob is known there");
    });
    assert_eq!(log_in(&app, "203.0.113.9", "bob", PASSWORD).status, 201, "places are free again");
}
