//! Services.

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::ports::Storage;
use thunderhead_domain::service::{EventAccess, Service, ServiceName};
use thunderhead_domain::session::Actor;
use thunderhead_domain::time::Timestamp;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{Intruder, action, action_of, at, at_once, digest, recorded, trail};

on_both_engines!(async:
    a_new_service_is_found_and_listed_by_name_in_the_order_of_bytes,
    a_name_is_taken_for_good_and_keeps_its_first_secret,
    a_service_is_revoked_once_and_stays_in_the_list,
    what_becomes_of_a_service_is_recorded_by_name_and_what_changes_nothing_is_not,
    of_many_who_create_one_name_at_once_one_wins,
    of_many_who_revoke_a_service_at_once_one_is_told_so,
    a_service_that_cannot_be_read_is_left_out,
    when_a_service_last_asked_is_recorded_at_most_once_a_minute,
    replicas_that_record_uses_at_once_leave_the_latest,
);

fn name(text: &str) -> ServiceName {
    ServiceName::try_from(text.to_owned()).unwrap()
}

/// A service whose secret has this digest, made and revoked at these moments.
fn service(text: &str, secret: u8, made: i64, revoked: Option<i64>) -> Service {
    Service {
        name: name(text),
        secret: digest(secret),
        events: EventAccess::Denied,
        created_at: at(made),
        revoked_at: revoked.map(at),
        asked_at: None,
    }
}

async fn a_new_service_is_found_and_listed_by_name_in_the_order_of_bytes(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    assert!(storage.service_list().await.unwrap().is_empty());
    assert_eq!(storage.service_find(&name("b")).await.unwrap(), None);
    let sorted = ["0", "1.", "B", "_a", "a-b", "a.a", "ab", "b"];
    for (made, text) in [5, 2, 7, 0, 1, 6, 3, 4].into_iter().zip(sorted) {
        assert!(storage.service_create(name(text), digest(9), EventAccess::Denied, action(made)).await.unwrap());
    }
    assert_eq!(other.service_find(&name("b")).await.unwrap(), Some(service("b", 9, 4, None)));
    assert_eq!(other.service_find(&name("A.A")).await.unwrap(), None);
    let listed = other.service_list().await.unwrap();
    assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), sorted);
}

async fn a_name_is_taken_for_good_and_keeps_its_first_secret(database: TestDatabase) {
    let storage = database.open();
    assert!(storage.service_create(name("uploads"), digest(1), EventAccess::Denied, action(1)).await.unwrap());
    assert!(!storage.service_create(name("uploads"), digest(2), EventAccess::Denied, action(2)).await.unwrap());
    assert!(storage.service_create(name("Uploads"), digest(3), EventAccess::Denied, action(3)).await.unwrap());
    assert!(storage.service_revoke(&name("uploads"), action(4)).await.unwrap());
    assert!(!storage.service_create(name("uploads"), digest(5), EventAccess::Denied, action(5)).await.unwrap());
    let expected = [service("Uploads", 3, 3, None), service("uploads", 1, 1, Some(4))];
    assert_eq!(storage.service_list().await.unwrap(), expected);
}

async fn a_service_is_revoked_once_and_stays_in_the_list(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    for text in ["a", "b"] {
        assert!(storage.service_create(name(text), digest(1), EventAccess::Denied, action(0)).await.unwrap());
    }
    assert!(!storage.service_revoke(&name("c"), action(1)).await.unwrap());
    assert!(storage.service_revoke(&name("a"), action(2)).await.unwrap());
    assert!(!other.service_revoke(&name("a"), action(3)).await.unwrap());
    assert_eq!(other.service_find(&name("a")).await.unwrap(), Some(service("a", 1, 0, Some(2))));
    let expected = [service("a", 1, 0, Some(2)), service("b", 1, 0, None)];
    assert_eq!(other.service_list().await.unwrap(), expected);
}

async fn what_becomes_of_a_service_is_recorded_by_name_and_what_changes_nothing_is_not(database: TestDatabase) {
    let storage = database.open();
    let [made, revoked] = [1, 5].map(|millis| action_of(Actor::CommandLine, millis));
    storage.service_create(name("uploads"), digest(1), EventAccess::Denied, made.clone()).await.unwrap();
    storage.service_create(name("uploads"), digest(1), EventAccess::Denied, action(2)).await.unwrap();
    storage.service_revoke(&name("other"), action(3)).await.unwrap();
    storage.service_revoke(&name("uploads"), revoked.clone()).await.unwrap();
    storage.service_revoke(&name("uploads"), action(6)).await.unwrap();
    storage.service_create(name("uploads"), digest(1), EventAccess::Denied, action(7)).await.unwrap();
    let records = trail(&*storage).await;
    let told: Vec<_> = records.iter().map(|one| (&one.action, one.kind, one.detail.as_deref())).collect();
    let expected =
        [(&made, AuditKind::ServiceCreated, Some("uploads")), (&revoked, AuditKind::ServiceRevoked, Some("uploads"))];
    assert_eq!(told, expected);
    assert!(records.iter().all(|record| record.user.is_none() && record.session.is_none()));
}

async fn of_many_who_create_one_name_at_once_one_wins(database: TestDatabase) {
    let replicas = [database.open(), database.open(), database.open()];
    let outcomes = at_once((0..30_u8).map(|turn| {
        let storage = replicas[usize::from(turn) % 3].clone();
        async move {
            (turn, storage.service_create(name("uploads"), digest(turn), EventAccess::Denied, action(1)).await.unwrap())
        }
    }))
    .await;
    let winners: Vec<_> = outcomes.into_iter().filter(|(_, created)| *created).map(|(turn, _)| turn).collect();
    let [winner] = winners[..] else { panic!("{winners:?}") };
    assert_eq!(replicas[0].service_list().await.unwrap(), [service("uploads", winner, 1, None)]);
    assert_eq!(recorded(&*replicas[0], AuditKind::ServiceCreated).await, 1);
}

async fn of_many_who_revoke_a_service_at_once_one_is_told_so(database: TestDatabase) {
    let replicas = [database.open(), database.open(), database.open()];
    assert!(replicas[0].service_create(name("uploads"), digest(1), EventAccess::Denied, action(0)).await.unwrap());
    let outcomes = at_once((0..30).map(|turn| {
        let storage = replicas[turn % 3].clone();
        async move { storage.service_revoke(&name("uploads"), action(1)).await.unwrap() }
    }))
    .await;
    assert_eq!(outcomes.into_iter().filter(|revoked| *revoked).count(), 1);
    assert_eq!(recorded(&*replicas[0], AuditKind::ServiceRevoked).await, 1);
}

async fn a_service_that_cannot_be_read_is_left_out(database: TestDatabase) {
    let storage = database.open();
    for (service, number) in [("uploads", 1), ("videos", 2)] {
        assert!(storage.service_create(name(service), digest(number), EventAccess::Denied, action(0)).await.unwrap());
    }
    Intruder::new(&database).run("UPDATE services SET name = 'not a name' WHERE name = 'uploads'");
    let names: Vec<_> = storage.service_list().await.unwrap().into_iter().map(|service| service.name).collect();
    assert_eq!(names, [name("videos")]);
}

/// When these services last asked, in the order of their names.
async fn asked(storage: &dyn Storage) -> Vec<Option<Timestamp>> {
    storage.service_list().await.unwrap().into_iter().map(|service| service.asked_at).collect()
}

async fn when_a_service_last_asked_is_recorded_at_most_once_a_minute(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    for text in ["a", "b", "c"] {
        assert!(storage.service_create(name(text), digest(1), EventAccess::Denied, action(0)).await.unwrap());
    }
    assert_eq!(asked(&*other).await, [None; 3]);
    storage.service_record_uses(&[]).await.unwrap();
    for (uses, expected) in [
        (&[("a", 5), ("b", 7), ("unknown", 9)][..], [Some(5), Some(7), None]),
        (&[("a", 60_004), ("b", 60_007)], [Some(5), Some(60_007), None]),
        // What comes late takes nothing back.
        (&[("a", 60_005), ("b", 60_006)], [Some(60_005), Some(60_007), None]),
        (&[("c", i64::MIN)], [Some(60_005), Some(60_007), Some(i64::MIN)]),
    ] {
        let uses: Vec<_> = uses.iter().map(|(text, millis)| (name(text), at(*millis))).collect();
        storage.service_record_uses(&uses).await.unwrap();
        assert_eq!(asked(&*other).await, expected.map(|millis| millis.map(at)), "{uses:?}");
    }
    // It is no change of the service that anybody made.
    assert_eq!(trail(&*storage).await.len(), 3);
    assert_eq!(storage.service_find(&name("a")).await.unwrap().unwrap().asked_at, Some(at(60_005)));
}

async fn replicas_that_record_uses_at_once_leave_the_latest(database: TestDatabase) {
    let replicas = [database.open(), database.open(), database.open()];
    let names = ["a", "b", "c", "d"];
    for text in names {
        assert!(replicas[0].service_create(name(text), digest(1), EventAccess::Denied, action(0)).await.unwrap());
    }
    at_once((0..30_usize).map(|turn| {
        let storage = replicas[turn % 3].clone();
        let mut uses: Vec<_> = names.map(|text| (name(text), at(turn as i64 * 60_000))).to_vec();
        if turn % 2 == 0 {
            uses.reverse();
        }
        async move { storage.service_record_uses(&uses).await.unwrap() }
    }))
    .await;
    assert_eq!(asked(&*replicas[0]).await, [Some(at(29 * 60_000)); 4]);
}
