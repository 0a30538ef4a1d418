//! Names, proofs, and who ended a session: how they are kept and told.

use super::*;

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
