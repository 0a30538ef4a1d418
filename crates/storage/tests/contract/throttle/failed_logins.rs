//! Failed logins, counted and recorded.

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::failed_login::{Attempts, FailedLogins, LoginFailure, LoginTarget, MOST_OPEN};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::Storage;
use thunderhead_domain::session::Actor;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{Intruder, at, at_once, trail};

on_both_engines!(async:
    what_replicas_count_adds_up_to_one_record,
    a_count_is_recorded_when_its_ten_minutes_are_over_and_not_before,
    each_count_is_recorded_once_however_many_close_it,
    what_comes_on_top_of_ten_thousand_is_counted_as_one,
);

const ADA: UserId = UserId::from_number(1_687_067_614_042);

fn failed(target: LoginTarget, address: &str, error: LoginFailure, millis: i64) -> FailedLogins {
    FailedLogins::one(Attempts::at(at(millis), target, address.parse().ok()), error, Some("curl/8"), at(millis))
}

async fn details(storage: &dyn Storage) -> Vec<(Option<UserId>, Option<String>, String)> {
    let records = trail(storage).await;
    assert!(records.iter().all(|record| (record.kind, record.action.by) == (AuditKind::LoginsFailed, Actor::Stranger)));
    let told = |address: std::net::IpAddr| address.to_string();
    records.into_iter().map(|it| (it.user, it.action.client_ip.map(told), it.detail.unwrap())).collect()
}

async fn what_replicas_count_adds_up_to_one_record(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = LoginTarget::Account(ADA);
    at_once((0..10).map(|turn| {
        let storage = replicas[turn % 2].clone();
        async move {
            let mut five = failed(ada, "192.0.2.7", LoginFailure::Password, 0);
            (0..4).for_each(|_| five.add(failed(ada, "192.0.2.7", LoginFailure::Password, 5)));
            let factor = failed(ada, "192.0.2.8", LoginFailure::Factor, 7);
            let unknown = failed(LoginTarget::UnknownName, "2001:db8::1", LoginFailure::Throttled, 9);
            storage.failed_logins_add(&[five, factor, unknown]).await.unwrap();
        }
    }))
    .await;
    assert_eq!(replicas[0].failed_logins_close(at(0)).await.unwrap(), 3);
    let mut expected = vec![
        (
            Some(ADA),
            Some("192.0.2.7".to_owned()),
            "50 × wrong password; since 2023-11-14T22:13:20.000Z; curl/8".to_owned(),
        ),
        (
            Some(ADA),
            Some("192.0.2.8".to_owned()),
            "10 × wrong factor; since 2023-11-14T22:13:20.007Z; curl/8".to_owned(),
        ),
        (
            None,
            Some("2001:db8::".to_owned()),
            "unknown names: 10 × refused unseen; since 2023-11-14T22:13:20.009Z; curl/8".to_owned(),
        ),
    ];
    expected.sort();
    let mut told = details(&*replicas[1]).await;
    told.sort();
    assert_eq!(told, expected);
}

async fn a_count_is_recorded_when_its_ten_minutes_are_over_and_not_before(database: TestDatabase) {
    let storage = database.open();
    let window = Attempts::at(at(0), LoginTarget::UnknownName, None).window;
    let next = 600_000;
    for millis in [0, next] {
        let one = failed(LoginTarget::UnknownName, "192.0.2.7", LoginFailure::Password, millis);
        storage.failed_logins_add(&[one]).await.unwrap();
    }
    assert_eq!(storage.failed_logins_close(window.plus_millis(-1)).await.unwrap(), 0);
    assert_eq!(storage.failed_logins_close(window).await.unwrap(), 1);
    assert_eq!(storage.failed_logins_close(window.plus_millis(next - 1)).await.unwrap(), 0);
    assert_eq!(storage.failed_logins_close(window.plus_millis(next)).await.unwrap(), 1);
    let moments = trail(&*storage).await.into_iter().map(|record| record.action.at).collect::<Vec<_>>();
    assert_eq!(moments.len(), 2);
    assert!(moments.contains(&at(0)) && moments.contains(&at(next)));
}

async fn each_count_is_recorded_once_however_many_close_it(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let many: Vec<_> = (0..250)
        .map(|host| failed(LoginTarget::Account(ADA), &format!("192.0.2.{host}"), LoginFailure::Password, 0))
        .collect();
    replicas[0].failed_logins_add(&many).await.unwrap();
    let closed = at_once((0..6).map(|turn| {
        let storage = replicas[turn % 2].clone();
        async move { storage.failed_logins_close(at(0)).await.unwrap() }
    }))
    .await;
    assert_eq!(closed.iter().sum::<u64>(), 250);
    assert_eq!(details(&*replicas[0]).await.len(), 250);
}

async fn what_comes_on_top_of_ten_thousand_is_counted_as_one(database: TestDatabase) {
    let storage = database.open();
    let known = failed(LoginTarget::Account(ADA), "192.0.2.7", LoginFailure::Password, 0);
    storage.failed_logins_add(std::slice::from_ref(&known)).await.unwrap();
    let columns = "failed_logins (window_at, target, client_ip, passwords, factors, throttled, first_at, last_at)";
    Intruder::new(&database).add(MOST_OPEN as u32 - 1, columns, "n, 'unknown', '', 1, 0, 0, n, n");
    let new = ["192.0.2.8", "192.0.2.9"].map(|it| failed(LoginTarget::Account(ADA), it, LoginFailure::Factor, 3));
    storage.failed_logins_add(&new).await.unwrap();
    storage.failed_logins_add(&[known]).await.unwrap();
    while storage.failed_logins_close(at(0)).await.unwrap() > 0 {}
    let told = details(&*storage).await;
    assert_eq!(told.len(), MOST_OPEN + 1);
    let of = |user: Option<UserId>| told.iter().find(|it| it.0 == user && !it.2.starts_with("unknown")).unwrap();
    assert!(of(Some(ADA)).2.starts_with("2 × wrong password; "));
    let others = of(None);
    assert!(others.2.starts_with("too many to tell apart: 2 × wrong factor; ") && others.1.is_none(), "{others:?}");
}
