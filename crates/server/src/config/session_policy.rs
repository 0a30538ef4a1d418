//! The settings of session policy: those of users, and stricter ones of staff, which default to those of users.

use thunderhead_domain::policy::{SessionLimits, SessionPolicy};
use thunderhead_domain::session::BeyondCap;

use super::layers::Reader;
use super::show::{Bound, Seconds, SettingText};
use super::units::{DAY, HOUR, MINUTE};
use super::values::{self, Keywords};

/// The highest cap of sessions: at it, a login looks through so many for the least recently used one.
const MOST_SESSIONS: u32 = 10_000;
/// The least time without use after which a session may be over: what is known of uses may lag by a minute.
const LEAST_IDLE: i64 = 5 * MINUTE;
/// The least time after which a full session may be over.
const LEAST_ABSOLUTE: i64 = 5 * MINUTE;

/// Values that go together. One that is set beside them wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preset {
    None,
    NistAal2,
}

impl Keywords for Preset {
    const ALL: &'static [Self] = &[Self::None, Self::NistAal2];
}

impl Keywords for BeyondCap {
    const ALL: &'static [Self] = &[Self::EndOldest, Self::Refuse];
}

impl SettingText for BeyondCap {
    fn shown(&self) -> String {
        self.name().to_owned()
    }
}

impl SettingText for Preset {
    fn shown(&self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::NistAal2 => "nist-aal2".to_owned(),
        }
    }
}

impl Preset {
    const fn limits(self, token_max: i64) -> SessionLimits {
        let limits = SessionLimits { token_max, ..SessionLimits::DEFAULT };
        match self {
            Self::None => limits,
            Self::NistAal2 => SessionLimits { idle: Some(HOUR), absolute: Some(DAY), ..limits },
        }
    }
}

/// The keys of the limits of some users.
struct Keys {
    idle: &'static str,
    idle_tokens: &'static str,
    absolute: &'static str,
    token_max: &'static str,
    max_sessions: &'static str,
    over_cap: &'static str,
    max_tokens: &'static str,
}

const USERS: Keys = Keys {
    idle: "policy.idle",
    idle_tokens: "policy.idle_tokens",
    absolute: "policy.absolute",
    token_max: "policy.token_max",
    max_sessions: "policy.max_sessions",
    over_cap: "policy.over_cap",
    max_tokens: "policy.max_tokens",
};
const STAFF: Keys = Keys {
    idle: "policy.staff.idle",
    idle_tokens: "policy.staff.idle_tokens",
    absolute: "policy.staff.absolute",
    token_max: "policy.staff.token_max",
    max_sessions: "policy.staff.max_sessions",
    over_cap: "policy.staff.over_cap",
    max_tokens: "policy.staff.max_tokens",
};

/// Where nothing is set, a scoped session may live as long as a long one does.
pub(super) fn session_policy(reader: &mut Reader, scoped_long: i64) -> SessionPolicy {
    let preset = reader.read("policy.preset", Preset::None, values::one_of);
    let users = limits(reader, &USERS, preset.limits(scoped_long));
    let staff = limits(reader, &STAFF, users);
    for (key, laxer) in [
        (STAFF.idle, is_laxer(staff.idle, users.idle)),
        (STAFF.idle_tokens, users.idle_tokens && !staff.idle_tokens),
        (STAFF.absolute, is_laxer(staff.absolute, users.absolute)),
        (STAFF.token_max, staff.token_max > users.token_max),
        (STAFF.max_sessions, staff.max_sessions > users.max_sessions),
        (STAFF.max_tokens, staff.max_tokens > users.max_tokens),
    ] {
        if laxer {
            reader.refuse(key, "staff's limits are as strict as those of users, or stricter");
        }
    }
    SessionPolicy { users, staff }
}

fn is_laxer(staff: Option<i64>, users: Option<i64>) -> bool {
    users.is_some_and(|users| staff.is_none_or(|staff| staff > users))
}

fn limits(reader: &mut Reader, keys: &Keys, default: SessionLimits) -> SessionLimits {
    let Bound(idle) = reader.read(keys.idle, Bound(default.idle), values::bound);
    if idle.is_some_and(|idle| idle < LEAST_IDLE) {
        reader.refuse(keys.idle, "expected at least 5m, or off: what is known of a session's use may lag by a minute");
    }
    let Bound(absolute) = reader.read(keys.absolute, Bound(default.absolute), values::bound);
    if absolute.is_some_and(|absolute| absolute < LEAST_ABSOLUTE) {
        reader.refuse(keys.absolute, "expected at least 5m, or off: people could do nothing between two logins");
    }
    let Seconds(token_max) = reader.read(keys.token_max, Seconds(default.token_max), values::duration);
    if token_max < MINUTE {
        reader.refuse(keys.token_max, "expected at least 1m: no scoped session can be asked for with a shorter life");
    }
    SessionLimits {
        idle,
        idle_tokens: reader.read(keys.idle_tokens, default.idle_tokens, values::boolean),
        absolute,
        token_max,
        max_sessions: reader.read(keys.max_sessions, default.max_sessions, values::within(1, MOST_SESSIONS)),
        over_cap: reader.read(keys.over_cap, default.over_cap, values::one_of),
        max_tokens: reader.read(keys.max_tokens, default.max_tokens, values::within(0, MOST_SESSIONS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layers::{File, Sources};

    fn read(file: &str) -> Result<SessionPolicy, String> {
        let file = File { path: "thunderhead.toml".into(), text: file.to_owned() };
        let mut reader = Reader::new(&Sources { file: Some(file), ..Sources::default() }).unwrap();
        let policy = session_policy(&mut reader, 60 * DAY);
        reader.finish().map(|_| policy).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_set_beside_a_preset_wins_and_staff_have_what_users_have_unless_it_is_set() {
        let nothing = SessionLimits { token_max: 60 * DAY, ..SessionLimits::DEFAULT };
        assert_eq!(read(""), Ok(SessionPolicy::for_all(nothing)));
        let preset = SessionLimits { idle: Some(HOUR), absolute: Some(DAY), ..nothing };
        assert_eq!(read("policy.preset = 'nist-aal2'"), Ok(SessionPolicy::for_all(preset)));
        let beside = read("[policy]\npreset = 'nist-aal2'\nidle = 'off'\nabsolute = '12h'").unwrap();
        assert_eq!(beside, SessionPolicy::for_all(SessionLimits { idle: None, absolute: Some(12 * HOUR), ..nothing }));
        let staff = read("[policy]\nidle = '2h'\nmax_sessions = 9\n[policy.staff]\nidle = '15m'\nidle_tokens = true");
        let users = SessionLimits { idle: Some(2 * HOUR), max_sessions: 9, ..nothing };
        let staff_limits = SessionLimits { idle: Some(15 * MINUTE), idle_tokens: true, ..users };
        assert_eq!(staff, Ok(SessionPolicy { users, staff: staff_limits }));
    }

    #[test]
    fn every_limit_can_be_set_for_users_and_for_staff() {
        let file = "[policy]\npreset = 'nist-aal2'\nidle = '5m'\nidle_tokens = true\ntoken_max = '30d'\nmax_sessions = 11\n\
            over_cap = 'refuse'\nmax_tokens = 12\n\
            [policy.staff]\nidle = '5m'\nabsolute = '12h'\ntoken_max = '1d'\nmax_sessions = 10\nover_cap = 'end-oldest'\n\
            max_tokens = 9\n";
        let users = SessionLimits {
            idle: Some(300),
            idle_tokens: true,
            absolute: Some(86_400),
            token_max: 2_592_000,
            max_sessions: 11,
            over_cap: BeyondCap::Refuse,
            max_tokens: 12,
        };
        let staff = SessionLimits {
            absolute: Some(43_200),
            token_max: 86_400,
            max_sessions: 10,
            over_cap: BeyondCap::EndOldest,
            max_tokens: 9,
            ..users
        };
        assert_eq!(read(file), Ok(SessionPolicy { users, staff }));
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_the_reason() {
        for (file, key, reason) in [
            ("policy.idle = '4m'", "policy.idle", "may lag by a minute"),
            ("policy.staff.idle = '299s'", "policy.staff.idle", "may lag by a minute"),
            ("policy.absolute = '1m'", "policy.absolute", "between two logins"),
            ("policy.token_max = '59s'", "policy.token_max", "at least 1m"),
            ("policy.preset = 'aal3'", "policy.preset", "\"none\" or \"nist-aal2\""),
            ("policy.idle = 'never'", "policy.idle", "or off"),
            ("policy.over_cap = 'end-newest'", "policy.over_cap", "\"end-oldest\" or \"refuse\""),
            ("policy.max_sessions = 10001", "policy.max_sessions", "from 1 to 10000"),
            ("policy.idle = '1h'\npolicy.staff.idle = '2h'", "policy.staff.idle", "or stricter"),
            ("policy.preset = 'nist-aal2'\npolicy.staff.absolute = 'off'", "policy.staff.absolute", "or stricter"),
            ("policy.staff.max_tokens = 201", "policy.staff.max_tokens", "or stricter"),
        ] {
            let refused = read(file).unwrap_err();
            assert!(refused.contains(key) && refused.contains(reason), "{file}: {refused}");
        }
    }
}
