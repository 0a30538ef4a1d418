//! Every way in which sessions, or what they may do, come to an end.

use anyhow::Result;
use serde_json::{Value, json};

use super::doors::Door;
use super::lane::{Act, Lane, Person, Scene};
use thunderhead_system_tests::live::http::Request;
use thunderhead_system_tests::requests::PASSWORD;

/// Another good password.
const NEW_PASSWORD: &str = "nine lanterns by the weir";

/// Names the ways, for people.
macro_rules! ways {
    ($($way:ident = $name:literal,)+) => {
        /// A way of ending.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Way { $($way,)+ }

        impl Way {
            /// What it is called.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$way => $name,)+ }
            }
        }
    };
}

ways! {
    OwnOne = "DELETE own session",
    OwnCurrent = "DELETE own current session",
    OwnSome = "DELETE own sessions by ids",
    OwnOthers = "DELETE own sessions but this",
    OwnAll = "DELETE all own sessions",
    StaffOne = "DELETE session, by staff",
    StaffSome = "DELETE sessions by ids, by staff",
    StaffAll = "DELETE all sessions, by staff",
    LegacyOne = "DELETE own session, legacy",
    LegacySome = "DELETE own sessions by ids, legacy",
    LegacyOthers = "DELETE own sessions but this, legacy",
    LegacyAll = "DELETE all own sessions, legacy",
    LegacyStaffOne = "DELETE session, by staff, legacy",
    LegacyStaffSome = "DELETE sessions by ids, by staff, legacy",
    LegacyStaffAll = "DELETE all sessions, by staff, legacy",
    KratosOne = "DELETE own session, Kratos",
    KratosOthers = "DELETE own sessions but this, Kratos",
    KratosLogout = "DELETE by logout, Kratos",
    KratosAdminOne = "DELETE session, by staff, Kratos",
    KratosAdminAll = "DELETE all sessions, by staff, Kratos",
    KratosDisable = "sessions disabled by staff, Kratos",
    Password = "password changed",
    StaffPassword = "password changed by staff",
    Ban = "banned",
    OwnDeletion = "DELETE own account",
    StaffDeletion = "DELETE account, by staff",
    StaffDeletions = "DELETE accounts, by staff",
    Demotion = "DELETE staff rights",
    FactorRemoval = "DELETE staff's second factors",
    CliEnd = "session end",
    CliEndAll = "session end-all --user",
    CliBan = "user ban",
    CliSetPassword = "user set-password",
    CliDelete = "user delete",
    CliDemote = "user demote",
    CliFactors = "user factors reset",
    CliEverybody = "session end-all",
    SwitchGlobal = "switch GLOBAL on",
    SwitchFile = "switch FILE_CREATE on",
    SwitchModify = "switch ACCOUNT_MODIFY on",
    SwitchLogin = "switch ACCOUNT_LOGIN on",
    CliSwitchGlobal = "kill-switch on GLOBAL",
    CliSwitchFile = "kill-switch on FILE_CREATE",
    CliSwitchModify = "kill-switch on ACCOUNT_MODIFY",
    CliSwitchLogin = "kill-switch on ACCOUNT_LOGIN",
}

impl Way {
    /// Those that end most sessions.
    const COMMON: [Self; 15] = [
        Self::OwnOne,
        Self::OwnCurrent,
        Self::OwnSome,
        Self::OwnOthers,
        Self::OwnAll,
        Self::StaffOne,
        Self::StaffSome,
        Self::StaffAll,
        Self::LegacyOne,
        Self::LegacySome,
        Self::LegacyOthers,
        Self::LegacyAll,
        Self::LegacyStaffOne,
        Self::LegacyStaffSome,
        Self::LegacyStaffAll,
    ];
    /// Those of the Kratos dialect.
    const KRATOS: [Self; 6] = [
        Self::KratosOne,
        Self::KratosOthers,
        Self::KratosLogout,
        Self::KratosAdminOne,
        Self::KratosAdminAll,
        Self::KratosDisable,
    ];
    /// Those that take longer, or happen less often.
    const RARE: [Self; 15] = [
        Self::Password,
        Self::StaffPassword,
        Self::Ban,
        Self::OwnDeletion,
        Self::StaffDeletion,
        Self::StaffDeletions,
        Self::Demotion,
        Self::FactorRemoval,
        Self::CliEnd,
        Self::CliEndAll,
        Self::CliBan,
        Self::CliSetPassword,
        Self::CliDelete,
        Self::CliDemote,
        Self::CliFactors,
    ];
    /// Those that concern everybody, one at a time.
    pub(super) const ALONE: [Self; 9] = [
        Self::SwitchGlobal,
        Self::CliSwitchGlobal,
        Self::SwitchFile,
        Self::CliSwitchFile,
        Self::SwitchModify,
        Self::CliSwitchModify,
        Self::SwitchLogin,
        Self::CliSwitchLogin,
        Self::CliEverybody,
    ];

    /// So many endings, each rare one so often, in the order of the ways.
    pub(super) fn plan(count: u32, rarely: u32, kratos: bool) -> Vec<Self> {
        let rare = Self::RARE.iter().flat_map(|way| vec![*way; rarely as usize]);
        let common = Self::COMMON.iter().chain(Self::KRATOS.iter().filter(|_| kratos)).cycle();
        rare.chain(common.copied()).take(count as usize).collect()
    }

    /// Makes all that is to be ended.
    pub(super) fn scene(self, lane: &mut Lane<'_>) -> Result<Scene> {
        match self {
            Self::OwnOne | Self::OwnCurrent | Self::OwnSome | Self::OwnOthers | Self::OwnAll => own(self, lane),
            Self::LegacyOne | Self::LegacySome | Self::LegacyOthers | Self::LegacyAll => own(self, lane),
            Self::Password | Self::OwnDeletion => own(self, lane),
            Self::KratosOne | Self::KratosOthers | Self::KratosLogout => own_kratos(self, lane),
            Self::StaffOne | Self::StaffSome | Self::StaffAll => by_staff(self, lane),
            Self::LegacyStaffOne | Self::LegacyStaffSome | Self::LegacyStaffAll => by_staff(self, lane),
            Self::KratosAdminOne | Self::KratosAdminAll | Self::KratosDisable => by_staff(self, lane),
            Self::StaffPassword | Self::Ban | Self::StaffDeletion => by_staff(self, lane),
            Self::StaffDeletions => deletions(lane),
            Self::CliEnd | Self::CliEndAll | Self::CliBan | Self::CliSetPassword => by_command(self, lane),
            Self::CliDelete | Self::CliEverybody => by_command(self, lane),
            Self::Demotion | Self::FactorRemoval | Self::CliDemote | Self::CliFactors => staff_rights(self, lane),
            Self::SwitchGlobal | Self::CliSwitchGlobal => switch(lane, self, 8, &[Door::Api, Door::Legacy]),
            Self::SwitchFile | Self::CliSwitchFile => switch(lane, self, 5, &[Door::FileCreate]),
            Self::SwitchModify | Self::CliSwitchModify => switch(lane, self, 1, &[Door::AccountModify]),
            Self::SwitchLogin | Self::CliSwitchLogin => switch(lane, self, 4, &[Door::Login]),
        }
    }

    /// Puts right what would stand in the way of the next.
    pub(super) fn clear_up(self, lane: &mut Lane<'_>) -> Result<()> {
        if self == Self::CliEverybody {
            lane.forget_staff();
        } else {
            let (_, staff) = lane.staff()?;
            lane.restore();
            lane.insist(&Request::new("DELETE", "/api/killswitches").token(&staff), 200)?;
        }
        Ok(())
    }
}

fn delete(path: &str, token: &str) -> Request {
    Request::new("DELETE", path).token(token)
}

/// A scene in which the first so many of a person's sessions are spared.
fn scene(lane: &Lane<'_>, person: &Person, spared: usize, act: Act) -> Scene {
    let (spared, ended) = person.tokens.split_at(spared);
    Scene { act, ended: lane.targets(person, ended), spared: lane.targets(person, spared) }
}

fn own(way: Way, lane: &mut Lane<'_>) -> Result<Scene> {
    let person = lane.person(3)?;
    let first = person.tokens[0].as_str();
    let ids = lane.ids(&person.tokens[1..])?;
    let (request, spared) = match way {
        Way::OwnOne => {
            let request = delete(&format!("/api/users/me/sessions/{}", ids[1]), first);
            (request, 2)
        }
        Way::LegacyOne => (delete(&format!("/api/user/session/{}", ids[1]), first), 2),
        Way::OwnCurrent => (delete("/api/users/me/sessions/me", &person.tokens[2]), 2),
        Way::OwnSome => (delete("/api/users/me/sessions", first).json(&json!({"ids": ids})), 1),
        Way::LegacySome => (delete("/api/user/sessions", first).json(&json!({"sessions": ids})), 1),
        Way::OwnOthers => (delete("/api/users/me/sessions/all", first), 1),
        Way::LegacyOthers => (delete("/api/user/sessions/all?allButSelf=true", first), 1),
        Way::OwnAll => (delete("/api/users/me/sessions/all?include-self=true", first), 0),
        Way::LegacyAll => (delete("/api/user/sessions/all", first), 0),
        Way::Password => (Request::new("PUT", "/api/users/me/password").token(first).json(&new_password(true)), 1),
        _ => (delete("/api/users/me", first).json(&json!({"password": PASSWORD})), 0),
    };
    Ok(scene(lane, &person, spared, Act::Ask(request)))
}

fn new_password(with_old: bool) -> Value {
    let mut body = json!({"newPassword": NEW_PASSWORD, "confirmNewPassword": NEW_PASSWORD});
    if with_old {
        body["password"] = json!(PASSWORD);
    }
    body
}

fn own_kratos(way: Way, lane: &mut Lane<'_>) -> Result<Scene> {
    let person = lane.kratos_person(3)?;
    let as_first = |path: &str| Request::new("DELETE", path).header("X-Session-Token", &person.tokens[0]);
    let (request, spared) = match way {
        Way::KratosOne => (as_first(&format!("/auth/sessions/{}", lane.session(&person.tokens[2])?.1)), 2),
        Way::KratosOthers => (as_first("/auth/sessions"), 1),
        _ => {
            let body = json!({"session_token": person.tokens[2]});
            (Request::new("DELETE", "/auth/self-service/logout/api").json(&body), 2)
        }
    };
    Ok(scene(lane, &person, spared, Act::Ask(request)))
}

fn by_staff(way: Way, lane: &mut Lane<'_>) -> Result<Scene> {
    let (_, staff) = lane.staff()?;
    let person = lane.person(3)?;
    let id = &person.id;
    let (last, uuid) = lane.session(&person.tokens[2])?;
    let (request, spared) = match way {
        Way::StaffOne => (delete(&format!("/api/users/{id}/sessions/{last}"), &staff), 2),
        Way::LegacyStaffOne => (delete(&format!("/api/user/{id}/session/{last}"), &staff), 2),
        Way::KratosAdminOne => (delete(&format!("/auth/admin/sessions/{uuid}"), &staff), 2),
        Way::StaffSome => (delete(&format!("/api/users/{id}/sessions"), &staff).json(&json!({"ids": [last]})), 2),
        Way::LegacyStaffSome => {
            (delete(&format!("/api/user/{id}/sessions"), &staff).json(&json!({"sessions": [last]})), 2)
        }
        Way::KratosDisable => {
            let body = json!({"action": "disable", "sessions": [uuid]});
            (Request::new("POST", "/auth/admin/sessions").token(&staff).json(&body), 2)
        }
        Way::StaffAll => (delete(&format!("/api/users/{id}/sessions/all"), &staff), 0),
        Way::LegacyStaffAll => (delete(&format!("/api/user/{id}/sessions/all"), &staff), 0),
        Way::KratosAdminAll => (delete(&format!("/auth/admin/identities/{}/sessions", person.uuid), &staff), 0),
        Way::StaffPassword => (lane.proved("PUT", &format!("/api/users/{id}/password"), &new_password(false))?, 0),
        Way::Ban => (Request::new("PUT", &format!("/api/users/{id}/ban")).token(&staff).json(&json!({})), 0),
        _ => (delete(&format!("/api/users/{id}"), &staff).json(&json!({})), 0),
    };
    Ok(scene(lane, &person, spared, Act::Ask(request)))
}

fn deletions(lane: &mut Lane<'_>) -> Result<Scene> {
    let (_, staff) = lane.staff()?;
    let (one, other) = (lane.person(1)?, lane.person(1)?);
    let ended = [lane.targets(&one, &one.tokens), lane.targets(&other, &other.tokens)].concat();
    let request = delete("/api/users", &staff).json(&json!({"ids": [one.id, other.id]}));
    Ok(Scene { act: Act::Ask(request), ended, spared: vec![] })
}

fn by_command(way: Way, lane: &mut Lane<'_>) -> Result<Scene> {
    let person = lane.person(2)?;
    let name = person.name.as_str();
    let uuid = lane.session(&person.tokens[1])?.1;
    let (arguments, spared): (&[&str], _) = match way {
        Way::CliEnd => (&["session", "end", &uuid], 1),
        Way::CliEndAll => (&["session", "end-all", "--user", name, "--yes"], 0),
        Way::CliBan => (&["user", "ban", name], 0),
        Way::CliSetPassword => (&["user", "set-password", name, "--password-stdin"], 0),
        Way::CliDelete => (&["user", "delete", name, "--yes"], 0),
        _ => (&["session", "end-all", "--yes"], 0),
    };
    Ok(scene(lane, &person, spared, typed(arguments)))
}

fn typed(arguments: &[&str]) -> Act {
    Act::Type(arguments.iter().map(|word| (*word).to_owned()).collect(), NEW_PASSWORD.to_owned())
}

/// Somebody loses what only staff may do, and keeps the session.
fn staff_rights(way: Way, lane: &mut Lane<'_>) -> Result<Scene> {
    let (_, staff) = lane.staff()?;
    let fallen = lane.new_staff(1)?.person;
    let Person { id, name, .. } = &fallen;
    let act = match way {
        Way::Demotion => Act::Ask(lane.proved("DELETE", &format!("/api/users/{id}/staff"), &json!({}))?),
        Way::FactorRemoval => Act::Ask(delete(&format!("/api/users/{id}/2fa/all"), &staff).json(&json!({}))),
        Way::CliDemote => typed(&["user", "demote", name]),
        _ => typed(&["user", "factors", "reset", name, "--yes"]),
    };
    let ended = vec![lane.stage.ledger.target(&fallen.tokens[0], id, Door::STAFF.to_vec())];
    Ok(Scene { act, ended, spared: lane.targets(&fallen, &fallen.tokens) })
}

/// Everybody but staff loses something.
fn switch(lane: &mut Lane<'_>, way: Way, number: u8, doors: &[Door]) -> Result<Scene> {
    let (id, staff) = lane.staff()?;
    let person = lane.person(2)?;
    let by_command =
        matches!(way, Way::CliSwitchGlobal | Way::CliSwitchFile | Way::CliSwitchModify | Way::CliSwitchLogin);
    let act = if by_command {
        typed(&["kill-switch", "on", &number.to_string()])
    } else {
        Act::Ask(Request::new("PUT", &format!("/api/killswitches/{number}")).token(&staff).json(&json!({})))
    };
    let target = |token: &String| lane.stage.ledger.target(token, &person.id, doors.to_vec());
    let spared = vec![lane.stage.ledger.target(&staff, &id, vec![Door::Api, Door::Staff])];
    Ok(Scene { act, ended: person.tokens.iter().map(target).collect(), spared })
}
