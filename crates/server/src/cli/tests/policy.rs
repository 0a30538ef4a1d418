//! What the command line says of sessions that the policy has ended.

use serde_json::Value;
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::ports::{AccountName, Clock as _};
use thunderhead_domain::session::{BeyondCap, Dialect, Grant, NewSession, Origin, SessionCap, SessionName};
use thunderhead_domain::user::Username;
use thunderhead_storage::{DatabaseUrl, StorageSettings, connect};
use uuid::Uuid;

use super::*;

/// Opens a session of ada's so many seconds ago, which lasts a day.
fn opened(folder: &Path, number: u128, ago: i64) -> String {
    let storage = connect(&StorageSettings::new(DatabaseUrl::sqlite(folder.join("thunderhead.db")))).unwrap();
    let uuid = Uuid::from_u128(number);
    let at = SystemClock.now().plus_seconds(-ago);
    let session = NewSession {
        uuid: SessionUuid(uuid),
        opaque: None,
        name: SessionName::unnamed(),
        grant: Grant::Full,
        at,
        expires_at: at.plus_seconds(86_400),
        origin: Origin { dialect: Dialect::Current, client_ip: None, user_agent: None },
        authentications: Vec::new(),
        second_factor_pending: false,
        cap: SessionCap { most: 10, beyond: BeyondCap::EndOldest },
        clears: None,
        agent: None,
    };
    let ada = AccountName::Username(Username::try_from("ada".to_owned()).unwrap());
    let open = async {
        let (user, credential) = storage.account_credential(ada).await.unwrap().unwrap();
        storage.session_open(user.id, credential.version, None, session).await.unwrap().unwrap();
        Ok(())
    };
    block_on(open).unwrap();
    uuid.to_string()
}

fn under(folder: &Path, policy: &[(&str, &str)], line: &str) -> Value {
    let mut arguments = typed(&format!("{line} --json")).unwrap();
    arguments.settings.data_dir = Some(folder.to_str().unwrap().to_owned());
    arguments.settings.config = Some("/dev/null".into());
    let policy = policy.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    let mut listed = Vec::new();
    let last = arguments.run_in(policy, &mut listed).unwrap();
    serde_json::from_str(&(String::from_utf8(listed).unwrap() + &last)).unwrap()
}

#[test]
fn sessions_that_the_policy_ended_are_shown_so_and_not_listed() {
    let folder = with_ada();
    let folder = folder.path();
    let [old, fresh] = [opened(folder, 1, 7_200), opened(folder, 2, 0)];
    let show = format!("session show {old}");
    for (policy, why) in [("THUNDERHEAD_POLICY__IDLE", "idle"), ("THUNDERHEAD_POLICY__ABSOLUTE", "absolute")] {
        let policy = [(policy, "1h")];
        let list = under(folder, &policy, "session list");
        assert_eq!((&list["count"], &list["items"][0]["uuid"]), (&1.into(), &fresh.as_str().into()), "{why}");
        let shown = under(folder, &policy, &show);
        assert_eq!((shown["end"]["why"].as_str(), shown["end"]["by"].as_str()), (Some(why), Some("system")), "{shown}");
    }
    assert_eq!(under(folder, &[], "session list")["count"], 2);
    assert_eq!(under(folder, &[], &show)["end"], Value::Null);
}
