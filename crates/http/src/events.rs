//! Events as other services are told of them, in the feed and by webhooks (`docs/API.md`, *The feed*).

use schemars::JsonSchema;
use serde::Serialize;
use thunderhead_domain::event::{EventActor, EventData, EventDetail, EventType};
use thunderhead_domain::factor::FactorKind;
use thunderhead_domain::id::{SessionUuid, UserId, UserUuid};
use thunderhead_domain::session::EndReason;
use thunderhead_domain::switch::KillSwitch;

use crate::wire::{Expiry, SessionNumber, UsernameText, Wire, value_schemas};

const ON: &str = "on";
const OFF: &str = "off";

value_schemas! {
    EventTypeName: {"enum": EventType::TABLE.map(|(_, name)| name), "examples": ["session.ended"]};
    EventActorName: {"enum": EventActor::TABLE.map(|(_, name)| name), "examples": ["self"]};
    EndReasonName: {"enum": EndReason::TABLE.map(|(_, name)| name), "examples": ["revoked"]};
    KillSwitchName: {"enum": KillSwitch::TABLE.map(|(_, name)| name), "examples": ["ACCOUNT_LOGIN"]};
    SwitchStateName: {"enum": [ON, OFF], "examples": [ON]};
    FactorKindName: {"enum": FactorKind::ALL.map(FactorKind::name), "examples": ["totp"]};
}

/// What an event says. What does not apply is left out.
#[derive(Debug, JsonSchema, Serialize)]
pub struct EventDataJson<'a> {
    /// The user whom it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Wire<UserId>>,
    /// The same by the id in the Kratos dialect.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_uuid: Option<Wire<UserUuid>>,
    /// The session that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SessionNumber>")]
    session_id: Option<i64>,
    /// The same by its uuid: the `jti` of its token.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_uuid: Option<Wire<SessionUuid>>,
    /// Of the end of all sessions of a user: the one that stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_session_uuid: Option<Wire<SessionUuid>>,
    /// Why sessions have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EndReasonName>")]
    reason: Option<&'static str>,
    /// Whose doing it was.
    #[schemars(with = "EventActorName")]
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Expiry>")]
    exp: Option<i64>,
    /// A kill switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<KillSwitchName>")]
    switch: Option<&'static str>,
    /// What the switch is from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SwitchStateName>")]
    state: Option<&'static str>,
    /// The kind of a second factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<FactorKindName>")]
    kind: Option<&'static str>,
    /// Whether the user is staff from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    staff: Option<bool>,
    /// Of a completed login: that it is one with a device that the account had not been used with for 90 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_device: Option<bool>,
    #[serde(flatten)]
    personal: Option<PersonalDataJson<'a>>,
}

/// Personal data, for who may be told.
#[derive(Debug, JsonSchema, Serialize)]
struct PersonalDataJson<'a> {
    /// The address that it was done from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    client_ip: Option<std::net::IpAddr>,
    /// The user who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<Wire<UserId>>,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<UsernameText>")]
    username: Option<&'a str>,
    /// What the session was opened with.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
}

impl<'a> From<&'a EventData> for EventDataJson<'a> {
    fn from(data: &'a EventData) -> Self {
        let mut json = Self {
            user_id: data.user.map(Wire),
            user_uuid: data.user_uuid.map(Wire),
            session_id: data.session_id.map(|id| id.number()),
            session_uuid: data.session.map(Wire),
            kept_session_uuid: data.kept_session.map(Wire),
            reason: None,
            by: data.by.name(),
            exp: data.expires_at.map(|at| at.unix_seconds()),
            switch: None,
            state: None,
            kind: None,
            staff: None,
            new_device: None,
            personal: data.personal.as_ref().map(|personal| PersonalDataJson {
                client_ip: personal.client_ip,
                actor_id: personal.actor.map(Wire),
                username: personal.username.as_deref(),
                user_agent: personal.user_agent.as_deref(),
            }),
        };
        match data.detail {
            EventDetail::None => {}
            EventDetail::End(why) => json.reason = Some(why.name()),
            EventDetail::Switch(switch, on) => {
                (json.switch, json.state) = (Some(switch.name()), Some(if on { ON } else { OFF }));
            }
            EventDetail::Factor(kind) => json.kind = Some(kind.name()),
            EventDetail::Staff(staff) => json.staff = Some(staff),
            EventDetail::NewDevice => json.new_device = Some(true),
        }
        json
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};
    use thunderhead_domain::event::PersonalData;
    use thunderhead_domain::id::SessionId;
    use thunderhead_domain::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn data(detail: EventDetail) -> EventData {
        EventData {
            user: None,
            user_uuid: None,
            session: None,
            session_id: None,
            expires_at: None,
            kept_session: None,
            by: EventActor::System,
            detail,
            personal: None,
        }
    }

    #[test]
    fn what_does_not_apply_is_left_out() {
        let told = |data: &EventData| to_value(EventDataJson::from(data)).unwrap();
        let switch = EventDetail::Switch(KillSwitch::AccountLogin, false);
        assert_eq!(told(&data(switch)), json!({"by": "system", "switch": "ACCOUNT_LOGIN", "state": "off"}));
        assert_eq!(told(&data(EventDetail::NewDevice)), json!({"by": "system", "new_device": true}));
        let ended = EventData {
            user: Some(UserId::from_number(1)),
            user_uuid: Some(UserUuid(Uuid::from_u128(2))),
            session: Some(SessionUuid(Uuid::from_u128(3))),
            session_id: Some(SessionId::from_number(4)),
            expires_at: Some(Timestamp::from_unix_seconds(5)),
            by: EventActor::Own,
            ..data(EventDetail::End(EndReason::Revoked))
        };
        let plain = json!({
            "user_id": "0000000000001",
            "user_uuid": "00000000-0000-0000-0000-000000000002",
            "session_uuid": "00000000-0000-0000-0000-000000000003",
            "session_id": 4,
            "exp": 5,
            "by": "self",
            "reason": "revoked",
        });
        assert_eq!(told(&ended), plain);
        let personal = PersonalData {
            client_ip: "192.0.2.7".parse().ok(),
            actor: ended.user,
            username: Some("ada".to_owned()),
            user_agent: None,
        };
        let mut with_personal = plain;
        with_personal["client_ip"] = "192.0.2.7".into();
        with_personal["actor_id"] = "0000000000001".into();
        with_personal["username"] = "ada".into();
        assert_eq!(told(&EventData { personal: Some(personal), ..ended }), with_personal);
    }
}
