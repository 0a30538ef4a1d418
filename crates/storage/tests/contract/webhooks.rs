//! Endpoints of webhooks: who may write how far one has got.

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::event::EventCursor;
use thunderhead_domain::ports::{Resealed, SealedRow, SealedText, Storage, WebhookAdded};
use thunderhead_domain::webhook::{
    PreviousSecret, StopReason, Webhook, WebhookFailure, WebhookId, WebhookLease, WebhookName, WebhookProgress,
    WebhookSecrets, WebhookState, WebhookUrl,
};
use thunderhead_testkit::{TestDatabase, on_both_engines};
use uuid::Uuid;

use crate::support::{Intruder, action, at, at_once, recorded, trail};

on_both_engines!(async:
    an_endpoint_is_found_and_listed_as_it_was_added,
    of_many_who_add_one_name_at_once_one_wins,
    of_many_who_lease_at_once_one_gets_it_until_it_is_over,
    who_has_the_latest_lease_alone_writes_how_far_an_endpoint_has_got,
    what_is_written_is_read_again_in_every_state,
    an_endpoint_that_waits_or_is_stopped_is_not_leased_before_it_is_resumed,
    a_secret_is_replaced_where_it_is_the_one_that_was_read,
    secrets_are_sealed_anew_each_by_itself,
    an_endpoint_that_cannot_be_read_is_left_out,
);

fn name(text: &str) -> WebhookName {
    WebhookName::try_from(text.to_owned()).unwrap()
}

fn cursor(number: i64) -> EventCursor {
    EventCursor { number, nonce: 7 }
}

fn webhook(text: &str, number: u128) -> Webhook {
    Webhook {
        id: WebhookId(Uuid::from_u128(number)),
        name: name(text),
        url: WebhookUrl::from_checked(format!("https://{text}.example/in")),
        types: "session.*,user.banned".parse().unwrap(),
        personal: number.is_multiple_of(2),
        secrets: WebhookSecrets { sealed: format!("sealed {text}"), previous: None },
        created_at: at(1),
        progress: WebhookProgress::from(cursor(3)),
        leased_until: None,
    }
}

async fn added(storage: &dyn Storage, text: &str, number: u128) -> Webhook {
    let webhook = webhook(text, number);
    assert_eq!(storage.webhook_add(webhook.clone(), action(1)).await.unwrap(), WebhookAdded::Added);
    webhook
}

async fn found(storage: &dyn Storage, text: &str) -> Webhook {
    storage.webhook_find(&name(text)).await.unwrap().unwrap()
}

async fn lease(storage: &dyn Storage, webhook: &Webhook, over: i64, until: i64) -> Option<WebhookLease> {
    storage.webhook_lease(webhook.id, Some(at(over)), at(0), at(until)).await.unwrap().map(|(lease, _)| lease)
}

/// Does one of the operations that write, at an endpoint that is there from the first of them to the last; says whether
/// it has written.
pub(crate) async fn write(storage: &dyn Storage, operation: &str) -> bool {
    let shop = webhook("shop", 1);
    // What was done before had the first.
    let lease = WebhookLease { webhook: shop.id, number: 2 };
    match operation {
        "webhook_add" => storage.webhook_add(shop, action(1)).await.unwrap() == WebhookAdded::Added,
        "webhook_rotate" => {
            let secrets = WebhookSecrets { sealed: "new".to_owned(), previous: None };
            storage.webhook_rotate(shop.id, &shop.secrets.sealed, secrets, action(2)).await.unwrap()
        }
        "webhook_resume" => storage.webhook_resume(shop.id, None, action(3)).await.unwrap(),
        "webhook_lease" => storage.webhook_lease(shop.id, None, at(4), at(5)).await.unwrap().is_some(),
        "webhook_save" => storage.webhook_save(lease, shop.progress, Some(at(6))).await.unwrap(),
        "webhook_release" => {
            storage.webhook_release(lease).await.unwrap();
            storage.webhook_list().await.unwrap()[0].leased_until.is_none()
        }
        "webhook_remove" => storage.webhook_remove(&shop.name, action(7)).await.unwrap(),
        _ => panic!("it is not said here what {operation} does"),
    }
}

async fn an_endpoint_is_found_and_listed_as_it_was_added(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    assert!(storage.webhook_list().await.unwrap().is_empty());
    for (number, text) in [(2, "b"), (1, "B"), (3, "a")] {
        added(&*storage, text, number).await;
    }
    assert_eq!(found(&*other, "b").await, webhook("b", 2));
    assert_eq!(other.webhook_find(&name("A")).await.unwrap(), None);
    assert_eq!(other.webhook_list().await.unwrap(), [webhook("B", 1), webhook("a", 3), webhook("b", 2)]);
    assert!(storage.webhook_remove(&name("b"), action(2)).await.unwrap());
    assert!(!other.webhook_remove(&name("b"), action(3)).await.unwrap());
    assert_eq!((other.webhook_list().await.unwrap().len(), recorded(&*other, AuditKind::WebhookRemoved).await), (2, 1));
}

async fn of_many_who_add_one_name_at_once_one_wins(database: TestDatabase) {
    let replicas = [database.open(), database.open(), database.open()];
    let outcomes = at_once((0..30_u8).map(|turn| {
        let storage = replicas[usize::from(turn) % 3].clone();
        async move { storage.webhook_add(webhook("shop", turn.into()), action(1)).await.unwrap() }
    }))
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == WebhookAdded::Added).count(), 1);
    assert!(outcomes.iter().all(|outcome| *outcome != WebhookAdded::TooMany));
    assert_eq!((replicas[0].webhook_list().await.unwrap().len(), trail(&*replicas[0]).await.len()), (1, 1));
}

async fn of_many_who_lease_at_once_one_gets_it_until_it_is_over(database: TestDatabase) {
    let replicas = [database.open(), database.open(), database.open()];
    let shop = added(&*replicas[0], "shop", 1).await;
    for (over, until, gets) in [(None, 10, 1), (None, 19, 0), (Some(9), 19, 0), (Some(10), 20, 1)] {
        let outcomes = at_once((0..30).map(|turn| {
            let (storage, id) = (replicas[turn % 3].clone(), shop.id);
            async move { storage.webhook_lease(id, over.map(at), at(0), at(until)).await.unwrap() }
        }))
        .await;
        let got: Vec<_> = outcomes.into_iter().flatten().collect();
        assert_eq!(got.len(), gets, "{over:?}");
        for (_, leased) in got {
            assert_eq!(leased, Webhook { leased_until: Some(at(until)), ..shop.clone() });
        }
    }
    // It is nobody's doing that is recorded.
    assert_eq!(trail(&*replicas[0]).await.len(), 1);
}

async fn who_has_the_latest_lease_alone_writes_how_far_an_endpoint_has_got(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let shop = added(&*storage, "shop", 1).await;
    let first = lease(&*storage, &shop, 0, 10).await.unwrap();
    let progress = |number| WebhookProgress::from(cursor(number));
    assert!(storage.webhook_save(first, progress(4), Some(at(20))).await.unwrap());
    assert_eq!(lease(&*other, &shop, 19, 30).await, None, "it was kept");
    let second = lease(&*other, &shop, 20, 30).await.unwrap();
    assert!(second.number > first.number);
    assert!(!storage.webhook_save(first, progress(9), None).await.unwrap());
    storage.webhook_release(first).await.unwrap();
    assert_eq!(found(&*storage, "shop").await.progress, progress(4));
    assert_eq!(lease(&*storage, &shop, 29, 40).await, None, "who has lost it gave it back");
    assert!(other.webhook_save(second, progress(5), None).await.unwrap());
    let third = lease(&*storage, &shop, 29, 40).await.unwrap();
    storage.webhook_release(third).await.unwrap();
    // The operator takes it from whoever has it.
    let fourth = lease(&*storage, &shop, 29, 40).await.unwrap();
    assert!(other.webhook_resume(shop.id, Some(cursor(2)), action(30)).await.unwrap());
    assert!(!storage.webhook_save(fourth, progress(6), None).await.unwrap());
    let resumed = found(&*storage, "shop").await;
    assert_eq!((resumed.progress, resumed.leased_until), (progress(2), None));
    // Of one that is gone, and of another one of its name, nothing is written.
    let fifth = lease(&*storage, &shop, 31, 40).await.unwrap();
    other.webhook_remove(&name("shop"), action(32)).await.unwrap();
    added(&*other, "shop", 2).await;
    assert!(!storage.webhook_save(fifth, progress(7), None).await.unwrap());
    assert_eq!(lease(&*storage, &shop, 33, 40).await, None);
    assert_eq!(found(&*storage, "shop").await, webhook("shop", 2));
    assert!(!storage.webhook_resume(shop.id, None, action(34)).await.unwrap());
}

async fn what_is_written_is_read_again_in_every_state(database: TestDatabase) {
    let storage = database.open();
    let shop = added(&*storage, "shop", 1).await;
    let held = lease(&*storage, &shop, 0, 100).await.unwrap();
    let stopped = StopReason::TABLE.map(|(why, _)| WebhookState::Stopped { at: at(5), why });
    let retrying = WebhookState::Retrying { attempts: 3, next_at: at(9) };
    for state in [retrying].into_iter().chain(stopped).chain([WebhookState::Delivering]) {
        for failure in [Some(WebhookFailure { at: at(6), what: "answered 500".to_owned() }), None] {
            let progress = WebhookProgress { cursor: cursor(8), state, succeeded_at: Some(at(4)), failure };
            assert!(storage.webhook_save(held, progress.clone(), Some(at(100))).await.unwrap());
            let read = found(&*storage, "shop").await;
            assert_eq!((read.progress, read.leased_until), (progress, Some(at(100))), "{state:?}");
        }
    }
}

async fn an_endpoint_that_waits_or_is_stopped_is_not_leased_before_it_is_resumed(database: TestDatabase) {
    let storage = database.open();
    let shop = added(&*storage, "shop", 1).await;
    let failure = Some(WebhookFailure { at: at(1), what: "answered 500".to_owned() });
    let saved = async |state| {
        let held = lease(&*storage, &shop, 0, 10).await.unwrap();
        let progress = WebhookProgress { state, failure: failure.clone(), ..shop.progress.clone() };
        assert!(storage.webhook_save(held, progress, None).await.unwrap());
    };
    saved(WebhookState::Retrying { attempts: 1, next_at: at(50) }).await;
    assert_eq!(storage.webhook_lease(shop.id, None, at(49), at(60)).await.unwrap(), None);
    let (held, _) = storage.webhook_lease(shop.id, None, at(50), at(60)).await.unwrap().unwrap();
    storage.webhook_release(held).await.unwrap();
    assert!(storage.webhook_resume(shop.id, None, action(2)).await.unwrap());
    for (why, _) in StopReason::TABLE {
        saved(WebhookState::Stopped { at: at(1), why }).await;
        assert_eq!(lease(&*storage, &shop, 1_000, 2_000).await, None);
        assert!(storage.webhook_resume(shop.id, None, action(3)).await.unwrap());
        // What went wrong last is still told.
        let resumed = WebhookProgress { failure: failure.clone(), ..shop.progress.clone() };
        assert_eq!(found(&*storage, "shop").await.progress, resumed);
    }
    assert_eq!(recorded(&*storage, AuditKind::WebhookResumed).await, 4);
}

async fn a_secret_is_replaced_where_it_is_the_one_that_was_read(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let shop = added(&*replicas[0], "shop", 1).await;
    let secrets = |turn: u8| WebhookSecrets {
        sealed: format!("new {turn}"),
        previous: Some(PreviousSecret { sealed: shop.secrets.sealed.clone(), until: at(9) }),
    };
    let outcomes = at_once((0..20_u8).map(|turn| {
        let (storage, id, old) = (replicas[usize::from(turn) % 2].clone(), shop.id, shop.secrets.sealed.clone());
        let new = secrets(turn);
        async move { (turn, storage.webhook_rotate(id, &old, new, action(2)).await.unwrap()) }
    }))
    .await;
    let winners: Vec<_> = outcomes.into_iter().filter(|(_, rotated)| *rotated).map(|(turn, _)| turn).collect();
    let [winner] = winners[..] else { panic!("{winners:?}") };
    assert_eq!(found(&*replicas[0], "shop").await.secrets, secrets(winner));
    assert_eq!(recorded(&*replicas[0], AuditKind::WebhookRotated).await, 1);
}

async fn secrets_are_sealed_anew_each_by_itself(database: TestDatabase) {
    let storage = database.open();
    let shop = added(&*storage, "shop", 1).await;
    let previous = Some(PreviousSecret { sealed: shop.secrets.sealed.clone(), until: at(9) });
    let secrets = WebhookSecrets { sealed: "second".to_owned(), previous };
    assert!(storage.webhook_rotate(shop.id, &shop.secrets.sealed, secrets, action(2)).await.unwrap());
    let text = |sealed: &str| SealedText { row: SealedRow::Webhook(shop.id), sealed: sealed.to_owned() };
    assert_eq!(storage.sealed_texts().await.unwrap(), [text("second"), text("sealed shop")]);
    let anew = |old: &str, new: &str| Resealed { old: text(old), new: new.to_owned() };
    let texts = vec![anew("sealed shop", "one"), anew("second", "two"), anew("sealed shop", "three")];
    assert_eq!(storage.sealed_replace(texts, action(3)).await.unwrap(), 2);
    assert_eq!(storage.sealed_texts().await.unwrap(), [text("two"), text("one")]);
}

async fn an_endpoint_that_cannot_be_read_is_left_out(database: TestDatabase) {
    let storage = database.open();
    for (number, text) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        added(&*storage, text, number).await;
    }
    Intruder::new(&database).run(
        "UPDATE webhooks SET cursor = 'nowhere' WHERE name = 'a';
         UPDATE webhooks SET types = 'session.unheard_of' WHERE name = 'b';
         UPDATE webhooks SET stopped_at = 1, stopped_why = 'unheard-of' WHERE name = 'c'",
    );
    let names: Vec<_> = storage.webhook_list().await.unwrap().into_iter().map(|webhook| webhook.name).collect();
    assert_eq!(names, [name("d")]);
    for unreadable in ["a", "b", "c"] {
        assert!(storage.webhook_find(&name(unreadable)).await.is_err(), "{unreadable}");
        assert!(storage.webhook_remove(&name(unreadable), action(2)).await.unwrap(), "{unreadable}");
    }
}
