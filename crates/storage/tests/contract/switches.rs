//! Kill switches.

use thunderhead_domain::session::Actor;
use thunderhead_domain::switch::{KillSwitch, SwitchSet};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::support::{at, user};

on_both_engines!(async: switches_are_off_until_they_are_turned_on_and_every_replica_sees_it);

async fn switches_are_off_until_they_are_turned_on_and_every_replica_sees_it(database: TestDatabase) {
    let (storage, other) = (database.open(), database.open());
    let ada = user(&*storage, "ada").await.id;
    let mut expected = SwitchSet::NONE;
    assert_eq!(storage.switches().await.unwrap(), expected);
    for (switch, _) in KillSwitch::TABLE {
        expected = expected.with(switch);
        for by in [Actor::User(ada), Actor::CommandLine] {
            assert_eq!(storage.switch_set(switch, true, by, at(1)).await.unwrap(), expected);
        }
        assert_eq!(other.switches().await.unwrap(), expected);
    }
    for (switch, _) in KillSwitch::TABLE {
        let left = storage.switch_set(switch, false, Actor::CommandLine, at(2)).await.unwrap();
        assert!(!left.is_on(switch));
    }
    assert_eq!(other.switches().await.unwrap(), SwitchSet::NONE);
    assert_eq!(storage.session_authority(None).await.unwrap().switches, SwitchSet::NONE);
}
