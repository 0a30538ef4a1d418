//! Names, proofs, and who ended a session: how they are kept and told.

use uuid::Uuid;

use super::*;

/// An open, full session that was made at a moment.
pub(crate) fn sample(created_at: Timestamp, expires_at: Timestamp) -> Session {
    Session {
        uuid: SessionUuid(Uuid::from_u128(1)),
        id: SessionId::at(created_at),
        user: UserId::from_number(1),
        name: SessionName::unnamed(),
        grant: Grant::Full,
        expires_at,
        used_at: None,
        created_at,
        updated_at: created_at,
        origin: Origin { dialect: Dialect::Current, client_ip: None, user_agent: None },
        authentications: Authentications::default(),
        second_factor_pending: false,
        state: State::Open,
        bounds: PolicyBounds::default(),
    }
}

#[test]
fn session_names_are_printable_and_bounded_in_characters() {
    for name in ["x", "Way Cool Session", &"ß".repeat(128)] {
        assert!(SessionName::try_from(name.to_owned()).is_ok(), "{name:?}");
    }
    let too_long = "ß".repeat(129);
    for name in ["", " ", "a\nb", "\u{7f}", "\u{85}", "a\u{202e}b", too_long.as_str()] {
        assert_eq!(SessionName::try_from(name.to_owned()), Err(InvalidSessionName), "{name:?}");
    }
    assert_eq!(SessionName::try_from(" a b\u{a0}".to_owned()).unwrap().as_str(), "a b");
    assert_eq!(SessionName::made_of("a\u{202e}b").as_str(), "a b");
    assert_eq!(SessionName::made_of("\u{3164}"), SessionName::unnamed());
}

#[test]
fn what_was_shown_last_counts_and_all_must_have_been_shown() {
    let at = Timestamp::from_unix_seconds;
    let shown = |list: &[(Method, i64)]| -> Vec<_> {
        list.iter().map(|(method, second)| Authentication { method: *method, at: at(*second) }).collect()
    };
    let (password, totp, key, passkey) = (Method::Password, Method::Totp, Method::Webauthn, Method::Passkey);
    for (list, alone, with_factor) in [
        (shown(&[]), None, None),
        (shown(&[(password, 5)]), Some(5), None),
        (shown(&[(totp, 5)]), None, None),
        (shown(&[(password, 5), (totp, 7)]), Some(5), Some(5)),
        (shown(&[(totp, 7), (password, 9)]), Some(9), Some(7)),
        (shown(&[(totp, 3), (password, 9), (key, 12)]), Some(9), Some(9)),
        (shown(&[(passkey, 5)]), Some(5), Some(5)),
        (shown(&[(password, 3), (passkey, 5)]), Some(5), Some(5)),
        (shown(&[(passkey, 5), (password, 9)]), Some(9), Some(5)),
        (shown(&[(passkey, 5), (totp, 12)]), Some(5), Some(5)),
        (shown(&[(passkey, 5), (password, 9), (totp, 12)]), Some(9), Some(9)),
    ] {
        assert_eq!(proved_at(&list, false), alone.map(at), "{list:?}");
        assert_eq!(proved_at(&list, true), with_factor.map(at), "{list:?}");
    }
}

#[test]
fn a_user_agent_is_cut_between_characters() {
    let text = format!("{}ß", "x".repeat(511));
    assert_eq!(Origin::cut_user_agent(&text).len(), 511);
    assert_eq!(Origin::cut_user_agent("short"), "short");
}

#[test]
fn of_each_method_the_latest_proof_is_kept_in_the_order_in_which_they_were_shown() {
    let at = Timestamp::from_unix_seconds;
    let mut authentications = Authentications::new();
    for (method, second) in [(Method::Password, 1), (Method::Totp, 2), (Method::Password, 3), (Method::Password, 4)] {
        prove(&mut authentications, Authentication { method, at: at(second) });
    }
    let expected = [(Method::Totp, 2), (Method::Password, 4)];
    assert_eq!(authentications[..], expected.map(|(method, second)| Authentication { method, at: at(second) }));
}

#[test]
fn a_user_is_told_by_their_id_and_everybody_else_by_what_they_are() {
    let ada = UserId::from_number(1_687_067_614_042);
    for (actor, name, user) in [
        (Actor::User(ada), "1687067614042", Some(ada)),
        (Actor::CommandLine, "command-line", None),
        (Actor::Stranger, "stranger", None),
        (Actor::System, "system", None),
    ] {
        assert_eq!((actor.to_string().as_str(), actor.user()), (name, user));
    }
}

#[test]
fn a_digest_is_not_printed() {
    assert_eq!(format!("{:?}", TokenDigest([7; 32])), "TokenDigest(…)");
}

#[test]
fn a_device_is_known_by_a_login_that_is_complete_and_by_nothing_else() {
    let now = Timestamp::from_unix_seconds(1_700_000_000);
    let agent = AgentName::made_of("curl");
    let login = NewSession {
        uuid: SessionUuid(Uuid::from_u128(1)),
        opaque: None,
        name: SessionName::unnamed(),
        grant: Grant::Full,
        at: now,
        expires_at: now.plus_seconds(60),
        origin: Origin { client_ip: "192.0.2.7".parse().ok(), ..sample(now, now).origin },
        authentications: Vec::new(),
        second_factor_pending: false,
        cap: PENDING_CAP,
        clears: None,
        agent: Some(agent.clone()),
    };
    assert_eq!(login.login_device(), Some(LoginDevice::new(agent, login.origin.client_ip)));
    assert_eq!(NewSession { second_factor_pending: true, ..login.clone() }.login_device(), None);
    assert_eq!(NewSession { agent: None, ..login }.login_device(), None);
}
