//! Webhooks: what happens is posted to endpoints, in order, at least once, and one endpoint does not hold up another.

mod failures;
mod manage;
mod receiver;
mod replicas;

use secrecy::ExposeSecret as _;
use serde_json::json;
use thunderhead_auth::webhooks::manage::{WebhookForm, WebhookStatus};
use thunderhead_domain::ports::StorageError;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::TestApp;

pub(crate) use self::receiver::Receiver;

on_both_engines!(
    what_happens_is_posted_in_order_and_signed,
    an_endpoint_gets_the_types_that_it_asked_for_from_its_beginning_on,
    personal_data_are_sent_where_the_operator_said_so_alone,
    what_is_not_for_an_endpoint_moves_its_place_in_the_feed_now_and_then,
    where_there_is_no_endpoint_one_look_is_all,
);

/// Runs something that talks to the network.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Adds an endpoint; returns its secret.
pub(crate) fn add(app: &TestApp, name: &str, receiver: &Receiver, types: &str) -> String {
    add_with(app, name, receiver, types, false)
}

fn add_with(app: &TestApp, name: &str, receiver: &Receiver, types: &str, personal: bool) -> String {
    let form = WebhookForm { name: name.to_owned(), url: receiver.url(), types: types.parse().unwrap(), personal };
    let secret = run(app.operator().webhooks().add(app.encryption_keys(), form)).unwrap();
    secret.text().expose_secret().to_owned()
}

/// Delivers all that is due, one endpoint after the other.
pub(crate) fn deliver(app: &TestApp) {
    try_deliver(app).unwrap();
}

pub(crate) fn try_deliver(app: &TestApp) -> Result<(), StorageError> {
    let delivery = &app.auth().webhook_delivery;
    run(async {
        for webhook in delivery.due().await?.due {
            delivery.deliver(webhook).await?;
        }
        Ok(())
    })
}

/// How an endpoint stands.
pub(crate) fn status(app: &TestApp, name: &str) -> WebhookStatus {
    let all = run(app.operator().webhooks().list()).unwrap();
    all.into_iter().find(|status| status.webhook.name.as_str() == name).unwrap()
}

/// The same in a word.
pub(crate) fn condition(app: &TestApp, name: &str) -> &'static str {
    status(app, name).webhook.progress.state.condition().name()
}

/// Does something that has an event of its own: opens a session.
pub(crate) fn happen(app: &TestApp) {
    app.anonymous().log_in("ada");
}

fn what_happens_is_posted_in_order_and_signed(database: TestDatabase) {
    let app = TestApp::start(database);
    let receiver = Receiver::start();
    let secret = add(&app, "shop", &receiver, "*");
    let ada = app.user("ada");
    let session = ada.get("/api/users/me/sessions/me").expect(200)["uuid"].clone();
    ada.delete("/api/users/me/sessions/me").expect(200);
    app.ban("ada");
    deliver(&app);
    let posts = receiver.posts();
    let types: Vec<_> = posts.iter().map(receiver::Post::event_type).collect();
    assert_eq!(types, ["user.created", "session.created", "session.ended", "user.banned"]);
    let mut last = 0;
    for post in &posts {
        assert_eq!((post.path.as_str(), &post.signature), ("/in?from=thunderhead", &post.signed_by(&secret)));
        assert_eq!(post.timestamp, app.seconds().to_string());
        let body = post.json();
        assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["type", "timestamp", "data"]);
        assert_eq!(body["data"]["user_id"], json!(ada.id()));
        let number: i64 = post.id.split('-').next().unwrap().parse().unwrap();
        assert!(number > last && !post.id.contains('.'), "{}", post.id);
        last = number;
    }
    assert_eq!(posts[2].json()["data"]["session_uuid"], session);
    // There is nothing more, and nothing is sent twice.
    deliver(&app);
    assert_eq!(receiver.posts().len(), 4);
    let status = status(&app, "shop");
    assert_eq!((status.behind, status.webhook.leased_until), (Some(0), None));
    assert_eq!(status.webhook.progress.cursor.to_string(), posts[3].id);
}

fn an_endpoint_gets_the_types_that_it_asked_for_from_its_beginning_on(database: TestDatabase) {
    let app = TestApp::start(database);
    let (all, some) = (Receiver::start(), Receiver::start());
    app.user("before");
    add(&app, "all", &all, "*");
    add(&app, "some", &some, "user.*,session.ended");
    let ada = app.user("ada");
    ada.delete("/api/users/me/sessions/me").expect(200);
    deliver(&app);
    let types = |receiver: &Receiver| receiver.posts().iter().map(receiver::Post::event_type).collect::<Vec<_>>();
    assert_eq!(types(&all), ["user.created", "session.created", "session.ended"]);
    assert_eq!(types(&some), ["user.created", "session.ended"]);
    // It is the same event, whoever gets it.
    assert_eq!((&all.posts()[2].id, &all.posts()[2].body), (&some.posts()[1].id, &some.posts()[1].body));
}

fn personal_data_are_sent_where_the_operator_said_so_alone(database: TestDatabase) {
    let app = TestApp::start(database);
    let (plain, personal) = (Receiver::start(), Receiver::start());
    add_with(&app, "plain", &plain, "session.created", false);
    add_with(&app, "personal", &personal, "session.created", true);
    app.user("ada");
    deliver(&app);
    let [with, without] = [&personal, &plain].map(|receiver| receiver.posts()[0].json()["data"].clone());
    assert_eq!((&with["client_ip"], &with["username"]), (&json!("127.0.0.1"), &json!("ada")));
    for name in ["client_ip", "username", "user_agent", "actor_id"] {
        assert!(without.get(name).is_none(), "{without}");
    }
}

fn what_is_not_for_an_endpoint_moves_its_place_in_the_feed_now_and_then(database: TestDatabase) {
    let app = TestApp::start(database);
    let receiver = Receiver::start();
    add(&app, "shop", &receiver, "switch.changed");
    let cursor = || status(&app, "shop").webhook.progress.cursor;
    let begun = cursor();
    app.user("ada");
    deliver(&app);
    assert_eq!(cursor(), begun, "it was written for nothing");
    // What was looked at is not looked at again.
    app.asked();
    deliver(&app);
    assert!(!app.asked().contains(&"feed_page"));
    app.clock().advance_seconds(600);
    happen(&app);
    deliver(&app);
    assert!(cursor().number > begun.number && status(&app, "shop").behind == Some(0));
    assert!(receiver.posts().is_empty());
}

fn where_there_is_no_endpoint_one_look_is_all(database: TestDatabase) {
    let app = TestApp::start(database);
    app.anonymous().register("ada");
    app.asked();
    let found = run(app.auth().webhook_delivery.due()).unwrap();
    assert!(!found.any && found.due.is_empty());
    assert_eq!(app.asked(), ["webhook_list"]);
}
