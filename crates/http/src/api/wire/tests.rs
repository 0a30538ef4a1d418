//! What is written straight into an answer is what a serializer would write.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn moment(millis: i64) -> Wire<Timestamp> {
    Wire(Timestamp::from_unix_millis(millis))
}

proptest! {
    #[test]
    fn a_session_is_written_as_it_is_serialised(
        name: String,
        uuid: u128,
        numbers: [i64; 2],
        times: [i64; 2],
        permission_flags: Option<i64>,
        used_at: Option<i64>,
    ) {
        let body = SessionBody {
            id: numbers[0],
            uuid: Wire(SessionUuid(Uuid::from_u128(uuid))),
            name: &name,
            permission_flags,
            exp: numbers[1],
            used_at: used_at.map(moment),
            created_at: moment(times[0]),
            updated_at: moment(times[1]),
        };
        let text = String::from_utf8(body.to_json()).unwrap();
        prop_assert_eq!(text, serde_json::to_string(&body).unwrap());
    }

    #[test]
    fn a_user_is_written_as_it_is_serialised(
        texts: [String; 2],
        uuid: u128,
        flags: [bool; 2],
        times: [i64; 3],
        marks: [Option<i64>; 2],
    ) {
        let [username, email] = texts.each_ref().map(String::as_str);
        let [verified_at, banned_at] = marks.map(|at| at.map(moment));
        let body = UserBody {
            id: Wire(UserId::from_number(times[2])),
            uuid: Wire(UserUuid(Uuid::from_u128(uuid))),
            username,
            email,
            staff: flags[0],
            has_password: flags[1],
            verified_at,
            banned_at,
            created_at: moment(times[0]),
            updated_at: moment(times[1]),
        };
        let text = String::from_utf8(body.to_json()).unwrap();
        prop_assert_eq!(text, serde_json::to_string(&body).unwrap());
    }
}
