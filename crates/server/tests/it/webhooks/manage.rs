//! What the operator does with endpoints, and who sees what of them.

use secrecy::ExposeSecret as _;
use thunderhead_auth::tokens::keys::{EncryptionKey, EncryptionKeys};
use thunderhead_auth::webhooks::manage::{WebhookError, WebhookForm};
use thunderhead_domain::audit::{AuditFilter, AuditKind};
use thunderhead_domain::ports::{PageRequest, WebhookSendError};
use thunderhead_domain::session::Actor;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};
use thunderhead_webhook_client::WebhookClient;

use super::{Receiver, add, deliver, happen, run, status};
use crate::app::TestApp;
use crate::pages::browser::Browser;

on_both_engines!(
    both_secrets_sign_for_a_day_while_one_is_being_replaced,
    secrets_are_sealed_and_sealed_anew_with_the_key,
    a_name_or_a_url_that_cannot_be_is_refused,
    no_more_endpoints_than_can_be_served_are_taken,
    what_the_operator_does_is_recorded_by_name,
    an_endpoint_is_tried_without_moving_anything,
    staff_see_how_each_endpoint_stands_and_no_secret,
);

fn form(name: &str, url: &str) -> WebhookForm {
    WebhookForm { name: name.to_owned(), url: url.to_owned(), types: "*".parse().unwrap(), personal: false }
}

fn rotate(app: &TestApp, name: &str) -> String {
    let rotated = block_on(app.operator().webhooks().rotate(app.encryption_keys(), name)).unwrap();
    rotated.0.text().expose_secret().to_owned()
}

fn both_secrets_sign_for_a_day_while_one_is_being_replaced(database: TestDatabase) {
    let app = TestApp::start(database);
    let receiver = Receiver::start();
    app.user("ada");
    let first = add(&app, "shop", &receiver, "*");
    let second = rotate(&app, "shop");
    assert_ne!(first, second);
    for (advance, both) in [(0, true), (86_399, true), (1, false)] {
        app.clock().advance_seconds(advance);
        happen(&app);
        deliver(&app);
        let post = receiver.posts().pop().unwrap();
        let [old, new] = [&first, &second].map(|secret| post.signed_by(secret));
        assert_eq!(post.signature, if both { format!("{new} {old}") } else { new });
    }
    // Of two that are replaced within a day, the one before the last is good for nothing.
    let third = rotate(&app, "shop");
    let fourth = rotate(&app, "shop");
    happen(&app);
    deliver(&app);
    let post = receiver.posts().pop().unwrap();
    assert_eq!(post.signature, format!("{} {}", post.signed_by(&fourth), post.signed_by(&third)));
}

fn secrets_are_sealed_and_sealed_anew_with_the_key(database: TestDatabase) {
    let app = TestApp::start(database);
    let receiver = Receiver::start();
    app.user("ada");
    let first = add(&app, "shop", &receiver, "*");
    let second = rotate(&app, "shop");
    let stored = status(&app, "shop").webhook;
    let shown = format!("{stored:?}");
    for secret in [&first, &second] {
        let text = secret.strip_prefix("whsec_").unwrap();
        assert!(!shown.contains(text) && !shown.contains(&text[..16]), "{shown}");
    }
    // The same keys, and a new one before them.
    let new = EncryptionKey::generate(app.random());
    let old = app.encryption_keys().primary().to_text();
    let both = EncryptionKeys::parse(&format!("{}\n{old}", new.to_text())).unwrap();
    assert!(block_on(app.operator().key_reseal(&both)).unwrap() >= 3, "two secrets and a signing key");
    let alone = EncryptionKeys::from(new);
    let opened = block_on(app.operator().webhooks().rotate(&alone, "shop"));
    assert!(opened.is_ok() && status(&app, "shop").webhook.secrets != stored.secrets);
    let wrong = EncryptionKeys::from(EncryptionKey::generate(app.random()));
    let refused = block_on(app.operator().webhooks().rotate(&wrong, "shop"));
    assert!(matches!(refused, Err(WebhookError::Key(_))), "{refused:?}");
}

fn a_name_or_a_url_that_cannot_be_is_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let webhooks = app.operator().webhooks();
    let refused = |name: &str, url: &str| block_on(webhooks.add(app.encryption_keys(), form(name, url))).unwrap_err();
    assert!(matches!(refused("--help", "https://hooks.example/"), WebhookError::Name(_)));
    for url in ["http://hooks.example/", "https://169.254.169.254/", "https://2852039166/", "nonsense"] {
        assert!(matches!(refused("shop", url), WebhookError::Url(_)), "{url}");
    }
    block_on(webhooks.add(app.encryption_keys(), form("shop", "https://hooks.example/"))).unwrap();
    assert!(matches!(refused("shop", "https://hooks.example/"), WebhookError::Taken(_)));
    let unknown = |error: Option<WebhookError>| matches!(error, Some(WebhookError::Unknown(_)));
    assert!(unknown(block_on(webhooks.remove("other")).err()) && unknown(block_on(webhooks.resend("other")).err()));
    assert!(unknown(block_on(webhooks.rotate(app.encryption_keys(), "other")).err()));
    block_on(webhooks.remove("shop")).unwrap();
    assert!(block_on(webhooks.list()).unwrap().is_empty());
    // A name is free again when it is gone.
    block_on(webhooks.add(app.encryption_keys(), form("shop", "https://hooks.example/"))).unwrap();
}

fn no_more_endpoints_than_can_be_served_are_taken(database: TestDatabase) {
    let app = TestApp::start(database);
    let webhooks = app.operator().webhooks();
    for number in 0..100 {
        let wanted = form(&format!("shop{number}"), "https://hooks.example/");
        block_on(webhooks.add(app.encryption_keys(), wanted)).unwrap();
    }
    let more = block_on(webhooks.add(app.encryption_keys(), form("more", "https://hooks.example/")));
    assert!(matches!(more, Err(WebhookError::TooMany)), "{more:?}");
}

fn what_the_operator_does_is_recorded_by_name(database: TestDatabase) {
    let app = TestApp::start(database);
    let receiver = Receiver::start();
    add(&app, "shop", &receiver, "*");
    rotate(&app, "shop");
    block_on(app.operator().webhooks().resend("shop")).unwrap();
    block_on(app.operator().webhooks().remove("shop")).unwrap();
    drop(block_on(app.operator().webhooks().remove("shop")));
    let records = block_on(app.storage().audit_page(AuditFilter::default(), PageRequest { limit: 9, offset: 0 }));
    let records = records.unwrap().items;
    let told: Vec<_> = records.iter().rev().map(|one| (one.kind, one.detail.as_deref(), one.action.by)).collect();
    let by_operator = |kind| (kind, Some("shop"), Actor::CommandLine);
    assert_eq!(
        told,
        [
            by_operator(AuditKind::WebhookAdded),
            by_operator(AuditKind::WebhookRotated),
            by_operator(AuditKind::WebhookResumed),
            by_operator(AuditKind::WebhookRemoved),
        ]
    );
}

fn an_endpoint_is_tried_without_moving_anything(database: TestDatabase) {
    let app = TestApp::start(database);
    let receiver = Receiver::start();
    app.user("ada");
    let secret = add(&app, "shop", &receiver, "*");
    happen(&app);
    let before = status(&app, "shop");
    let client = WebhookClient::default();
    let test = |name: &str| run(app.operator().webhooks().test(app.encryption_keys(), &client, name));
    assert_eq!(test("shop").unwrap().status, 204);
    receiver.reply_once(500);
    assert_eq!(test("shop").unwrap().status, 500);
    let post = &receiver.posts()[0];
    assert_eq!((post.event_type().as_str(), &post.signature), ("webhook.test", &post.signed_by(&secret)));
    assert!(post.id.starts_with("test_") && post.id != receiver.posts()[1].id);
    assert_eq!(status(&app, "shop"), before);
    app.tamper("UPDATE webhooks SET url = 'https://169.254.169.254/'");
    assert!(matches!(test("shop"), Err(WebhookError::Unsent(WebhookSendError::Refused(_)))));
    assert!(matches!(test("other"), Err(WebhookError::Unknown(_))));
}

fn staff_see_how_each_endpoint_stands_and_no_secret(database: TestDatabase) {
    let app = TestApp::start(database);
    app.staff("root");
    let mut browser = Browser::signed_in(&app, "root");
    let (good, bad, gone) = (Receiver::start(), Receiver::start(), Receiver::start());
    app.user("ada");
    let secrets = [("good", &good), ("bad", &bad), ("gone", &gone)].map(|(name, to)| add(&app, name, to, "session.*"));
    bad.reply(500);
    gone.reply(410);
    happen(&app);
    deliver(&app);
    let page = browser.get("/staff/webhooks").text();
    for words in [
        ">delivering</span>",
        ">retrying</span>",
        ">off</span>",
        "answered 500",
        "It answered that it is gone.",
        "thunderhead webhook resend gone",
        "attempt 2",
        ">nothing<",
        ">1 event<",
        &format!("http://{}", good.address),
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    for secret in secrets {
        assert!(!page.contains(&secret["whsec_".len()..]));
    }
    // What stands behind the host may be a secret of the receiver's.
    assert!(!page.contains("from=thunderhead"), "{page}");
    app.tamper("UPDATE webhooks SET stopped_why = 'attempts' WHERE name = 'gone'");
    assert!(browser.get("/staff/webhooks").text().contains("in ten attempts"));
}
