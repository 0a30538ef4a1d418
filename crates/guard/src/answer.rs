//! What the server answers, read strictly: what is not understood is no answer.

use serde::Deserialize;
use serde_json::Value;
use thunderhead_domain::assurance::AssuranceLevel;
use thunderhead_domain::id::{SessionId, SessionUuid, UserId};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use crate::error::Unavailable;
use crate::session::{LiveSession, Rights, SessionProof};

/// RFC 7662, section 2.2, and what the server tells besides. Members that this version does not know are passed over.
#[derive(Deserialize)]
struct IntrospectionAnswer {
    active: bool,
    sub: Option<String>,
    username: Option<String>,
    scope: Option<String>,
    staff: Option<bool>,
    sid: Option<i64>,
    jti: Option<String>,
    exp: Option<i64>,
    token_type: Option<String>,
    auth_time: Option<i64>,
    amr: Option<Vec<String>>,
    acr: Option<String>,
}

/// The session that an answer tells of; none where it says that there is none.
pub(crate) fn session(body: &[u8]) -> Result<Option<LiveSession>, Unavailable> {
    let answer: IntrospectionAnswer =
        serde_json::from_slice(body).map_err(|_| Unavailable::NotUnderstood("not a JSON object with `active`"))?;
    if !answer.active {
        return Ok(None);
    }
    let session = live(answer).ok_or(Unavailable::NotUnderstood("a session of which something is missing"))?;
    Ok(Some(session))
}

fn live(answer: IntrospectionAnswer) -> Option<LiveSession> {
    let of_session = answer.token_type.as_deref() == Some("session");
    of_session.then_some(())?;
    let at = answer.auth_time.map(Timestamp::from_unix_seconds);
    let level = match answer.acr.as_deref() {
        Some("aal2") => AssuranceLevel::Two,
        _ => AssuranceLevel::One,
    };
    let methods = answer.amr.unwrap_or_default().join(" ").into();
    Some(LiveSession {
        user: answer.sub?.parse().ok()?,
        username: answer.username?.into(),
        id: SessionId::from_number(answer.sid?),
        uuid: SessionUuid(Uuid::parse_str(&answer.jti?).ok()?),
        rights: rights(&answer.scope?),
        staff: answer.staff?,
        expires_at: Timestamp::from_unix_seconds(answer.exp?),
        proof: at.map(|at| SessionProof { at, methods, level }),
    })
}

/// Names that this version of the domain crate does not know give nothing.
fn rights(names: &str) -> Rights {
    if names == "FULL" {
        return Rights::Full;
    }
    let known = names.split(' ').filter_map(Scope::from_name);
    Rights::Scoped(known.fold(0, |flags, scope| flags | scope.bit()))
}

/// A page of the feed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FeedAnswer {
    pub(crate) concerns: Vec<Concern>,
    /// Where to go on.
    pub(crate) next: String,
}

/// Whom an event concerns: of whose sessions nothing is known from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concern {
    Session(SessionUuid),
    User(UserId),
    Everybody,
}

#[derive(Deserialize)]
struct EventPage {
    items: Vec<EventItem>,
    next: String,
}

#[derive(Deserialize)]
struct EventItem {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

/// What a page of the feed says.
pub(crate) fn feed(body: &[u8]) -> Result<FeedAnswer, Unavailable> {
    let page: EventPage =
        serde_json::from_slice(body).map_err(|_| Unavailable::NotUnderstood("not a page of events"))?;
    Ok(FeedAnswer { concerns: page.items.iter().filter_map(concern).collect(), next: page.next })
}

/// Whom an event concerns, if anybody. What names nobody that can be told concerns everybody.
fn concern(event: &EventItem) -> Option<Concern> {
    let text = |name: &str| event.data.get(name)?.as_str();
    let session = || text("session_uuid").and_then(|uuid| Uuid::parse_str(uuid).ok()).map(SessionUuid);
    let user = || text("user_id").and_then(|id| id.parse().ok());
    match event.kind.as_str() {
        // These take nothing away, and introspection tells nothing of switches.
        "session.created" | "user.created" | "switch.changed" | "key.rotated" | "login.throttled" => None,
        kind if kind.starts_with("session.") => {
            Some(session().map(Concern::Session).or_else(|| user().map(Concern::User)).unwrap_or(Concern::Everybody))
        }
        _ => Some(user().map_or(Concern::Everybody, Concern::User)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{UUID, introspection};

    #[test]
    fn a_live_session_is_read_with_all_that_is_told_of_it() {
        let told = session(introspection("FILE_READ BRAND_NEW").to_string().as_bytes()).unwrap().unwrap();
        assert_eq!(told.user().to_string(), "1700000000123");
        assert_eq!(
            (told.username(), told.id().number(), told.uuid().to_string().as_str()),
            ("ada", 1_700_000_000, UUID)
        );
        assert_eq!((told.may(Scope::FileRead), told.may(Scope::UploadFile), told.is_full()), (true, false, false));
        assert_eq!(told.expires_at(), Timestamp::from_unix_seconds(4_000_000_000));
        let proof = told.proof().unwrap();
        assert_eq!((proof.at, &*proof.methods), (Timestamp::from_unix_seconds(1_700_000_001), "pwd otp mfa"));
        assert_eq!(proof.level, AssuranceLevel::Two);
        assert!(session(introspection("FULL").to_string().as_bytes()).unwrap().unwrap().is_full());
        for scope in ["", "full", "FULL FILE_READ", "BRAND_NEW"] {
            let told = session(introspection(scope).to_string().as_bytes()).unwrap().unwrap();
            assert!(!told.is_full() && !told.may(Scope::UploadFile), "{scope:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_no_answer() {
        assert_eq!(session(b"{\"active\": false, \"sub\": 7, \"x\": []}").ok(), None);
        assert_eq!(session(b"{\"active\": false}"), Ok(None));
        for body in
            [&b""[..], b"{}", b"[]", b"null", b"{\"active\": \"true\"}", b"{\"active\": true}", b"<html>", b"\xff"]
        {
            assert!(session(body).is_err(), "{body:?}");
        }
        for missing in ["sub", "username", "scope", "staff", "sid", "jti", "exp", "token_type"] {
            let mut body = introspection("FULL");
            body.as_object_mut().unwrap().remove(missing);
            assert!(session(body.to_string().as_bytes()).is_err(), "{missing}");
        }
        for (name, wrong) in
            [("sub", json!("7")), ("jti", json!("x")), ("exp", json!("soon")), ("token_type", json!("challenge"))]
        {
            let mut body = introspection("FULL");
            body[name] = wrong;
            assert!(session(body.to_string().as_bytes()).is_err(), "{name}");
        }
    }

    #[test]
    fn an_event_concerns_whom_it_names_and_everybody_where_it_names_nobody() {
        let (user, uuid) = ("1700000000123", UUID);
        let both = json!({"user_id": user, "session_uuid": uuid, "reason": "x"});
        let (of_session, of_user) =
            (Concern::Session(SessionUuid(Uuid::parse_str(uuid).unwrap())), Concern::User(user.parse().unwrap()));
        for (kind, data, expected) in [
            ("session.ended", both.clone(), Some(of_session)),
            ("session.stepped_up", both.clone(), Some(of_session)),
            ("session.ended", json!({"user_id": user}), Some(of_user)),
            ("session.ended", json!({}), Some(Concern::Everybody)),
            ("session.ended", Value::Null, Some(Concern::Everybody)),
            ("sessions.ended", both.clone(), Some(of_user)),
            ("sessions.ended", json!({"reason": "x"}), Some(Concern::Everybody)),
            ("user.banned", json!({"user_id": user}), Some(of_user)),
            ("user.banned", json!({"user_id": 7}), Some(Concern::Everybody)),
            ("factor.removed", both.clone(), Some(of_user)),
            ("brand.new", json!({"user_id": user}), Some(of_user)),
            ("session.created", both, None),
            ("switch.changed", json!({"switch": "GLOBAL"}), None),
        ] {
            let page = json!({"items": [{"id": "1", "type": kind, "at": "x", "data": data}], "next": "c"});
            let told = feed(page.to_string().as_bytes()).unwrap();
            assert_eq!(told, FeedAnswer { concerns: expected.into_iter().collect(), next: "c".to_owned() }, "{kind}");
        }
        for body in ["", "{}", "{\"items\": []}", "{\"items\": [{}], \"next\": \"c\"}", "{\"items\": [], \"next\": 7}"]
        {
            assert!(feed(body.as_bytes()).is_err(), "{body}");
        }
    }
}
