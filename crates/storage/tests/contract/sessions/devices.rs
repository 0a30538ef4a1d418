//! What an account is used with: a login with something else is told of as one with a new device.

use thunderhead_domain::audit::{ActionContext, AuditFilter, AuditKind};
use thunderhead_domain::change_authorization::PreconditionFailed;
use thunderhead_domain::device::AgentName;
use thunderhead_domain::event::EventDetail;
use thunderhead_domain::id::UserId;
use thunderhead_domain::network::{KNOWN_SECONDS, MOST_KNOWN, Network};
use thunderhead_domain::ports::{Registered, StepUp, Storage};
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Actor, Grant, NewSession, Origin};
use thunderhead_domain::time::Timestamp;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::feed::{events_after, now};
use crate::support::{
    FIRST_CREDENTIAL, FIRST_STEP, Intruder, account, action_of, at, at_once, codes, enrol, first, open, plain, session,
    stale_change, step, stepping_up, totp, user, uuid,
};

on_both_engines!(async:
    another_client_and_another_network_are_a_new_device_and_the_same_is_not,
    a_device_is_new_again_after_ninety_days,
    the_device_that_an_account_is_made_with_is_not_new,
    a_login_is_judged_once_its_factor_is_shown,
    what_is_refused_and_what_is_no_login_makes_nothing_known,
    of_many_logins_at_once_with_a_new_device_one_is_told_of,
    the_devices_that_were_used_last_are_known,
    a_network_that_was_known_before_devices_were_told_apart_stands_for_any_client,
    devices_are_forgotten_when_their_last_login_was_before_the_moment_and_not_at_it,
);

const OFFICE: &str = "192.0.2.7";
const HOME: &str = "2001:db8:1::1";

fn with(number: u128, agent: &str, address: &str, when: Timestamp) -> NewSession {
    let origin = Origin { client_ip: address.parse().ok(), ..session(1).origin };
    let expires_at = when.plus_seconds(3_600);
    NewSession { agent: Some(AgentName::made_of(agent)), origin, at: when, expires_at, ..session(number) }
}

/// Which of the sessions of these numbers are recorded as logins with a new device, by records of this kind.
async fn new_among(storage: &dyn Storage, kind: AuditKind) -> Vec<u128> {
    let filter = AuditFilter { kind: Some(kind), ..AuditFilter::default() };
    let records = storage.audit_page(filter, first(1_000)).await.unwrap().items.into_iter();
    let mut new: Vec<_> =
        records.filter(|record| record.new_device).map(|record| record.session.unwrap().0.as_u128()).collect();
    new.sort_unstable();
    new
}

async fn new_logins(storage: &dyn Storage) -> Vec<u128> {
    new_among(storage, AuditKind::LoggedIn).await
}

async fn another_client_and_another_network_are_a_new_device_and_the_same_is_not(database: TestDatabase) {
    let (storage, replica) = (database.open(), database.open());
    let [ada, eve] = [user(&*storage, "ada").await.id, user(&*storage, "eve").await.id];
    let begin = now(&*storage).await;
    let logins = [
        ("Firefox on Linux", OFFICE, true),
        ("Firefox on Linux", OFFICE, false),
        // The same network.
        ("Firefox on Linux", "192.0.2.200", false),
        ("Firefox on Linux", HOME, true),
        ("Chrome on Linux", OFFICE, true),
        ("Chrome on Linux", "192.0.2.9", false),
        ("Firefox on Linux", "2001:db8:1:ffff::2", false),
        ("Firefox on Linux", "", true),
        ("Firefox on Linux", "", false),
    ];
    for (number, (agent, address, _)) in (1..).zip(logins) {
        let storage = if number % 2 == 0 { &storage } else { &replica };
        open(&**storage, ada, with(number, agent, address, at(number as i64))).await;
    }
    let new: Vec<_> = (1..).zip(logins).filter(|(_, (.., new))| *new).map(|(number, _)| number).collect();
    assert_eq!(new_logins(&*storage).await, new);
    let events = events_after(&*storage, begin).await;
    let told = events.iter().filter(|event| event.data.detail == EventDetail::NewDevice);
    assert_eq!(told.map(|event| event.data.session.unwrap().0.as_u128()).collect::<Vec<_>>(), new);
    // What one account is used with is new to another.
    open(&*storage, eve, with(50, "Firefox on Linux", OFFICE, at(50))).await;
    assert_eq!(new_logins(&*storage).await.last(), Some(&50));
}

async fn a_device_is_new_again_after_ninety_days(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let mut when = at(0);
    for (number, later) in
        [(1, 0), (2, KNOWN_SECONDS * 1_000), (3, KNOWN_SECONDS * 1_000), (4, KNOWN_SECONDS * 1_000 + 1)]
    {
        when = when.plus_millis(later);
        open(&*storage, ada, with(number, "Firefox on Linux", OFFICE, when)).await;
    }
    assert_eq!(new_logins(&*storage).await, [1, 4]);
}

async fn the_device_that_an_account_is_made_with_is_not_new(database: TestDatabase) {
    let storage = database.open();
    let made = with(1, "Firefox on Linux", OFFICE, at(0));
    let Registered::Registered(made) = storage.account_register(account("ada"), made).await.unwrap() else { panic!() };
    let ada = made.user.id;
    open(&*storage, ada, with(2, "Firefox on Linux", OFFICE, at(1))).await;
    open(&*storage, ada, with(3, "Firefox on Linux", HOME, at(2))).await;
    assert_eq!(new_logins(&*storage).await, [3]);
}

async fn a_login_is_judged_once_its_factor_is_shown(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    enrol(&*storage, ada, totp(1), codes(1)).await;
    open(&*storage, ada, with(1, "Browser", HOME, at(0))).await;
    let pending =
        |number, millis| NewSession { second_factor_pending: true, ..with(number, "Browser", OFFICE, at(millis)) };
    let step_up = async |number, moved, millis| {
        let factor = stepping_up(ada, step(1, FIRST_STEP + moved));
        storage.session_step_up(ada, uuid(number), factor, action_of(Actor::User(ada), millis)).await.unwrap().unwrap();
    };
    open(&*storage, ada, pending(2, 1)).await;
    open(&*storage, ada, pending(3, 2)).await;
    assert_eq!(new_logins(&*storage).await, [1]);
    step_up(3, 1, 3).await;
    step_up(2, 2, 4).await;
    assert_eq!(new_among(&*storage, AuditKind::SessionSteppedUp).await, [3]);
    // Who shows a factor once more does not log in.
    let elsewhere = ActionContext { client_ip: "198.51.100.1".parse().ok(), ..action_of(Actor::User(ada), 5) };
    let factor = stepping_up(ada, step(1, FIRST_STEP + 3));
    storage.session_step_up(ada, uuid(2), factor, elsewhere).await.unwrap().unwrap();
    assert_eq!(new_among(&*storage, AuditKind::SessionSteppedUp).await, [3]);
    open(&*storage, ada, with(4, "Browser", "198.51.100.1", at(6))).await;
    assert_eq!(new_logins(&*storage).await, [1, 4]);
}

async fn what_is_refused_and_what_is_no_login_makes_nothing_known(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    open(&*storage, ada, with(1, "Browser", HOME, at(0))).await;
    let refused = storage.session_open(ada, FIRST_CREDENTIAL - 1, None, with(2, "Browser", OFFICE, at(1))).await;
    assert_eq!(refused.unwrap(), stale_change(PreconditionFailed::PasswordChanged));
    let grant = Grant::Scoped(ScopeSet::from_flags(2).unwrap());
    let scoped = NewSession { grant, agent: None, ..with(3, "Browser", OFFICE, at(2)) };
    storage.session_open_from(ada, scoped, plain(ada, 1, 2)).await.unwrap().unwrap();
    open(&*storage, ada, with(4, "Browser", OFFICE, at(3))).await;
    assert_eq!(new_logins(&*storage).await, [1, 4]);
    assert!(new_among(&*storage, AuditKind::ScopedSessionIssued).await.is_empty());
}

async fn of_many_logins_at_once_with_a_new_device_one_is_told_of(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    let ada = user(&*replicas[0], "ada").await.id;
    at_once((1..21_u128).map(|number| {
        let storage = replicas[number as usize % 2].clone();
        async move { drop(open(&*storage, ada, with(number, "Browser", OFFICE, at(0))).await) }
    }))
    .await;
    assert_eq!(new_logins(&*replicas[0]).await.len(), 1);
}

async fn the_devices_that_were_used_last_are_known(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    enrol(&*storage, ada, totp(1), codes(1)).await;
    let mut opened = 0;
    let mut is_new = async |device: usize, answer: bool| {
        opened += 1;
        let login = with(opened, &format!("Browser {device}"), OFFICE, at(opened as i64));
        if answer {
            let pending = NewSession { second_factor_pending: true, ..login };
            open(&*storage, ada, pending).await;
            let factor = stepping_up(ada, step(1, FIRST_STEP + opened as i64));
            let agent = AgentName::made_of(&format!("Browser {device}"));
            let action = action_of(Actor::User(ada), opened as i64);
            let shown = StepUp { agent, ..factor };
            storage.session_step_up(ada, uuid(opened), shown, action).await.unwrap().unwrap();
            new_among(&*storage, AuditKind::SessionSteppedUp).await.contains(&opened)
        } else {
            open(&*storage, ada, login).await;
            new_logins(&*storage).await.contains(&opened)
        }
    };
    for device in 0..MOST_KNOWN {
        assert!(is_new(device, device % 2 == 0).await);
    }
    assert!(!is_new(0, false).await);
    assert!(is_new(MOST_KNOWN, true).await);
    for device in (0..=MOST_KNOWN).filter(|device| *device != 1) {
        assert!(!is_new(device, false).await, "{device}");
    }
    assert!(is_new(1, false).await, "the one that was longest ago is forgotten");
}

async fn a_network_that_was_known_before_devices_were_told_apart_stands_for_any_client(database: TestDatabase) {
    let storage = database.open();
    let ada = user(&*storage, "ada").await.id;
    let mut intruder = Intruder::new(&database);
    // As the migration does it.
    intruder.run(&format!(
        "INSERT INTO known_networks VALUES ({0}, '192.0.2.0/24', {1}); \
         INSERT INTO known_devices SELECT user_id, network, last_at FROM known_networks",
        ada.number(),
        at(0).unix_millis()
    ));
    open(&*storage, ada, with(1, "Browser", OFFICE, at(1))).await;
    open(&*storage, ada, with(2, "Browser", HOME, at(1))).await;
    let much_later = at(1).plus_seconds(KNOWN_SECONDS);
    open(&*storage, ada, with(3, "Another", OFFICE, much_later)).await;
    open(&*storage, ada, with(4, "Browser", OFFICE, much_later)).await;
    assert_eq!(new_logins(&*storage).await, [2, 3]);
}

async fn devices_are_forgotten_when_their_last_login_was_before_the_moment_and_not_at_it(database: TestDatabase) {
    let storage = database.open();
    let [ada, eve]: [UserId; 2] = [user(&*storage, "ada").await.id, user(&*storage, "eve").await.id];
    for (number, user, agent) in [(1, ada, "Browser"), (2, eve, "Browser"), (3, ada, "Another"), (4, eve, "Another")] {
        open(&*storage, user, with(number, agent, OFFICE, at(number as i64))).await;
    }
    assert_eq!(storage.prune_devices(at(3)).await.unwrap(), 2);
    assert_eq!(storage.prune_devices(at(3)).await.unwrap(), 0);
    for (number, user, agent) in [(5, ada, "Browser"), (6, eve, "Browser"), (7, ada, "Another"), (8, eve, "Another")] {
        open(&*storage, user, with(number, agent, OFFICE, at(9))).await;
    }
    assert_eq!(new_logins(&*storage).await, [1, 2, 3, 4, 5, 6]);
    let known = Network::of(OFFICE.parse().unwrap());
    assert!(storage.network_is_known(ada, known, at(9)).await.unwrap());
    assert_eq!(storage.prune_networks(at(9)).await.unwrap(), 0);
    assert_eq!(storage.prune_networks(at(10)).await.unwrap(), 2);
    assert!(!storage.network_is_known(ada, known, at(9)).await.unwrap());
}
