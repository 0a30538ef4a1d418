//! Kill switches.

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::id::UserId;
use thunderhead_domain::session::Actor;
use thunderhead_domain::switch::{KillSwitch, SwitchSet, TurnedSwitch};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{action, action_of, at, at_once, recorded, trail};

on_both_engines!(async:
    switches_are_off_until_they_are_turned_on_and_every_replica_sees_it,
    all_switches_are_turned_off_at_once,
    who_turned_a_switch_and_when_is_told_of_those_that_were_turned,
    a_change_of_a_switch_is_recorded_and_what_changes_nothing_is_not,
    of_many_who_turn_one_switch_at_once_one_is_recorded,
    switches_set_and_cleared_at_once_never_fail,
);

async fn switches_are_off_until_they_are_turned_on_and_every_replica_sees_it(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let mut expected = SwitchSet::NONE;
    assert_eq!(storage.switches().await.unwrap(), expected);
    for (switch, _) in KillSwitch::TABLE {
        expected = expected.with(switch);
        for millis in [1, 2] {
            assert_eq!(storage.switch_set(switch, true, action(millis).into()).await.unwrap().unwrap(), expected);
        }
        assert_eq!(other.switches().await.unwrap(), expected);
    }
    for (switch, _) in KillSwitch::TABLE {
        let left = storage.switch_set(switch, false, action(3).into()).await.unwrap().unwrap();
        assert!(!left.is_on(switch));
    }
    assert_eq!(other.switches().await.unwrap(), SwitchSet::NONE);
    assert_eq!(storage.session_authority(None).await.unwrap().switches, SwitchSet::NONE);
}

async fn all_switches_are_turned_off_at_once(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    assert_eq!(storage.switch_clear(action(0).into()).await.unwrap().unwrap(), SwitchSet::NONE);
    for (switch, _) in KillSwitch::TABLE {
        storage.switch_set(switch, true, action(1).into()).await.unwrap().unwrap();
    }
    assert_eq!(storage.switch_clear(action(2).into()).await.unwrap().unwrap(), SwitchSet::NONE);
    assert_eq!(other.switches().await.unwrap(), SwitchSet::NONE);
}

async fn who_turned_a_switch_and_when_is_told_of_those_that_were_turned(database: TestDatabase) {
    use KillSwitch::{AccountLogin, Global};
    let storage = database.open();
    assert!(storage.switches_turned().await.unwrap().is_empty());
    let ada = Actor::User(UserId::from_number(7));
    for (switch, on, by, millis) in [
        (AccountLogin, true, ada, 1),
        // What changes nothing makes nobody else the one who did it.
        (AccountLogin, true, Actor::CommandLine, 2),
        (Global, true, Actor::CommandLine, 3),
        (Global, false, ada, 4),
    ] {
        storage.switch_set(switch, on, action_of(by, millis).into()).await.unwrap().unwrap();
    }
    let mut turned = storage.switches_turned().await.unwrap();
    turned.sort_by_key(|turned| turned.switch.id());
    let as_left = |switch, on, millis| TurnedSwitch { switch, on, since: at(millis), by: ada };
    assert_eq!(turned, [as_left(AccountLogin, true, 1), as_left(Global, false, 4)]);
    // One of a later version is left out.
    database.tamper("UPDATE kill_switches SET changed_by = 'somebody' WHERE id = 4");
    assert_eq!(storage.switches_turned().await.unwrap(), [as_left(Global, false, 4)]);
}

async fn a_change_of_a_switch_is_recorded_and_what_changes_nothing_is_not(database: TestDatabase) {
    use KillSwitch::{AccountLogin, Global};
    let storage = database.open();
    storage.switch_set(Global, false, action(0).into()).await.unwrap().unwrap();
    storage.switch_clear(action(0).into()).await.unwrap().unwrap();
    assert!(trail(&*storage).await.is_empty());
    let by = action_of(Actor::CommandLine, 1);
    storage.switch_set(Global, true, by.clone().into()).await.unwrap().unwrap();
    storage.switch_set(Global, true, action(2).into()).await.unwrap().unwrap();
    storage.switch_set(Global, false, action(3).into()).await.unwrap().unwrap();
    storage.switch_set(Global, false, action(4).into()).await.unwrap().unwrap();
    storage.switch_set(Global, true, action(5).into()).await.unwrap().unwrap();
    storage.switch_set(AccountLogin, true, action(6).into()).await.unwrap().unwrap();
    storage.switch_clear(action(7).into()).await.unwrap().unwrap();
    storage.switch_clear(action(8).into()).await.unwrap().unwrap();
    let records = trail(&*storage).await;
    assert_eq!(records[0].action, by);
    assert!(records.iter().all(|record| record.user.is_none() && record.session.is_none()));
    let told: Vec<_> = records.iter().map(|one| (one.action.at, one.kind, one.detail.as_deref().unwrap())).collect();
    let (on, off) = (AuditKind::SwitchOn, AuditKind::SwitchOff);
    let expected = [
        (1, on, "GLOBAL"),
        (3, off, "GLOBAL"),
        (5, on, "GLOBAL"),
        (6, on, "ACCOUNT_LOGIN"),
        (7, off, "ACCOUNT_LOGIN"),
        (7, off, "GLOBAL"),
    ];
    assert_eq!(told, expected.map(|(millis, kind, name)| (action(millis).at, kind, name)));
}

async fn of_many_who_turn_one_switch_at_once_one_is_recorded(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    for on in [true, false] {
        at_once((0..20).map(|turn| {
            let storage = replicas[turn % 2].clone();
            async move { storage.switch_set(KillSwitch::Global, on, action(1).into()).await.unwrap().unwrap() }
        }))
        .await;
    }
    assert_eq!(recorded(&*replicas[0], AuditKind::SwitchOn).await, 1);
    assert_eq!(recorded(&*replicas[0], AuditKind::SwitchOff).await, 1);
}

async fn switches_set_and_cleared_at_once_never_fail(database: TestDatabase) {
    let replicas = [database.open(), database.open()];
    at_once((0..60).map(|turn| {
        let storage = replicas[turn % 2].clone();
        let switch = KillSwitch::TABLE[turn % KillSwitch::TABLE.len()].0;
        async move {
            match turn % 3 {
                0 => storage.switch_clear(action(1).into()).await.unwrap().unwrap(),
                _ => storage.switch_set(switch, true, action(1).into()).await.unwrap().unwrap(),
            }
        }
    }))
    .await;
    let ons = recorded(&*replicas[0], AuditKind::SwitchOn).await;
    let offs = recorded(&*replicas[0], AuditKind::SwitchOff).await;
    let on = replicas[0].switches().await.unwrap();
    let left = KillSwitch::TABLE.iter().filter(|(switch, _)| on.is_on(*switch)).count() as u64;
    assert_eq!(ons, offs + left, "each change is recorded once");
}
