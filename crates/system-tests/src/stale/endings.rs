//! Every way in which sessions, or what they may do, come to an end.

use anyhow::Result;
use serde_json::{Value, json};

use super::token_checks::TokenCheck;
use super::worker::{Person, PreparedEnding, Trigger, Worker};
use thunderhead_system_tests::live::http::Request;
use thunderhead_system_tests::requests::PASSWORD;

const NEW_PASSWORD: &str = "nine lanterns by the weir";

/// Names the endings, for people.
macro_rules! endings {
    ($($ending:ident = $name:literal,)+) => {
        /// A way of ending.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Ending { $($ending,)+ }

        impl Ending {
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$ending => $name,)+ }
            }
        }
    };
}

endings! {
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
    Revoke = "POST /revoke",
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

impl Ending {
    /// Those that end most sessions.
    const COMMON: [Self; 16] = [
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
        Self::Revoke,
    ];
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

    /// So many endings, each rare one so often, in the order of the endings.
    pub(super) fn plan(count: u32, rarely: u32, kratos: bool) -> Vec<Self> {
        let rare = Self::RARE.iter().flat_map(|ending| vec![*ending; rarely as usize]);
        let common = Self::COMMON.iter().chain(Self::KRATOS.iter().filter(|_| kratos)).cycle();
        rare.chain(common.copied()).take(count as usize).collect()
    }

    /// Makes all that is to be ended.
    pub(super) fn prepare(self, worker: &mut Worker<'_>) -> Result<PreparedEnding> {
        match self {
            Self::OwnOne | Self::OwnCurrent | Self::OwnSome | Self::OwnOthers | Self::OwnAll => own(self, worker),
            Self::LegacyOne | Self::LegacySome | Self::LegacyOthers | Self::LegacyAll => own(self, worker),
            Self::Password | Self::OwnDeletion => own(self, worker),
            Self::KratosOne | Self::KratosOthers | Self::KratosLogout => own_kratos(self, worker),
            Self::Revoke => by_finder(worker),
            Self::StaffOne | Self::StaffSome | Self::StaffAll => by_staff(self, worker),
            Self::LegacyStaffOne | Self::LegacyStaffSome | Self::LegacyStaffAll => by_staff(self, worker),
            Self::KratosAdminOne | Self::KratosAdminAll | Self::KratosDisable => by_staff(self, worker),
            Self::StaffPassword | Self::Ban | Self::StaffDeletion => by_staff(self, worker),
            Self::StaffDeletions => deletions(worker),
            Self::CliEnd | Self::CliEndAll | Self::CliBan | Self::CliSetPassword => by_command(self, worker),
            Self::CliDelete | Self::CliEverybody => by_command(self, worker),
            Self::Demotion | Self::FactorRemoval | Self::CliDemote | Self::CliFactors => staff_rights(self, worker),
            Self::SwitchGlobal | Self::CliSwitchGlobal => {
                switch(worker, self, 8, &[TokenCheck::Api, TokenCheck::Legacy])
            }
            Self::SwitchFile | Self::CliSwitchFile => switch(worker, self, 5, &[TokenCheck::FileCreate]),
            Self::SwitchModify | Self::CliSwitchModify => switch(worker, self, 1, &[TokenCheck::AccountModify]),
            Self::SwitchLogin | Self::CliSwitchLogin => switch(worker, self, 4, &[TokenCheck::Login]),
        }
    }

    /// Puts right what would stand in the way of the next.
    pub(super) fn clear_up(self, worker: &mut Worker<'_>) -> Result<()> {
        if self == Self::CliEverybody {
            worker.forget_staff();
        } else {
            let (_, staff) = worker.staff()?;
            worker.restore();
            worker.insist(&Request::new("DELETE", "/api/killswitches").token(&staff), 200)?;
        }
        Ok(())
    }
}

fn delete(path: &str, token: &str) -> Request {
    Request::new("DELETE", path).token(token)
}

/// An ending in which the first so many of a person's sessions are spared.
fn sparing(worker: &Worker<'_>, person: &Person, spared: usize, trigger: Trigger) -> PreparedEnding {
    let (spared, ended) = person.tokens.split_at(spared);
    PreparedEnding { trigger, ended: worker.targets(person, ended), spared: worker.targets(person, spared) }
}

fn own(ending: Ending, worker: &mut Worker<'_>) -> Result<PreparedEnding> {
    let person = worker.person(3)?;
    let first = person.tokens[0].as_str();
    let ids = worker.ids(&person.tokens[1..])?;
    let (request, spared) = match ending {
        Ending::OwnOne => {
            let request = delete(&format!("/api/users/me/sessions/{}", ids[1]), first);
            (request, 2)
        }
        Ending::LegacyOne => (delete(&format!("/api/user/session/{}", ids[1]), first), 2),
        Ending::OwnCurrent => (delete("/api/users/me/sessions/me", &person.tokens[2]), 2),
        Ending::OwnSome => (delete("/api/users/me/sessions", first).json(&json!({"ids": ids})), 1),
        Ending::LegacySome => (delete("/api/user/sessions", first).json(&json!({"sessions": ids})), 1),
        Ending::OwnOthers => (delete("/api/users/me/sessions/all", first), 1),
        Ending::LegacyOthers => (delete("/api/user/sessions/all?allButSelf=true", first), 1),
        Ending::OwnAll => (delete("/api/users/me/sessions/all?include-self=true", first), 0),
        Ending::LegacyAll => (delete("/api/user/sessions/all", first), 0),
        Ending::Password => (Request::new("PUT", "/api/users/me/password").token(first).json(&new_password(true)), 1),
        _ => (delete("/api/users/me", first).json(&json!({"password": PASSWORD})), 0),
    };
    Ok(sparing(worker, &person, spared, Trigger::Request(request)))
}

fn new_password(with_old: bool) -> Value {
    let mut body = json!({"newPassword": NEW_PASSWORD, "confirmNewPassword": NEW_PASSWORD});
    if with_old {
        body["password"] = json!(PASSWORD);
    }
    body
}

fn own_kratos(ending: Ending, worker: &mut Worker<'_>) -> Result<PreparedEnding> {
    let person = worker.kratos_person(3)?;
    let as_first = |path: &str| Request::new("DELETE", path).header("X-Session-Token", &person.tokens[0]);
    let (request, spared) = match ending {
        Ending::KratosOne => (as_first(&format!("/auth/sessions/{}", worker.session(&person.tokens[2])?.1)), 2),
        Ending::KratosOthers => (as_first("/auth/sessions"), 1),
        _ => {
            let body = json!({"session_token": person.tokens[2]});
            (Request::new("DELETE", "/auth/self-service/logout/api").json(&body), 2)
        }
    };
    Ok(sparing(worker, &person, spared, Trigger::Request(request)))
}

fn by_finder(worker: &mut Worker<'_>) -> Result<PreparedEnding> {
    let person = worker.person(3)?;
    let mut request = Request::new("POST", "/revoke").header("Content-Type", "application/x-www-form-urlencoded");
    request.body = Some(format!("token={}", person.tokens[2]));
    Ok(sparing(worker, &person, 2, Trigger::Request(request)))
}

fn by_staff(ending: Ending, worker: &mut Worker<'_>) -> Result<PreparedEnding> {
    let (_, staff) = worker.staff()?;
    let person = worker.person(3)?;
    let id = &person.id;
    let (last, uuid) = worker.session(&person.tokens[2])?;
    let (request, spared) = match ending {
        Ending::StaffOne => (delete(&format!("/api/users/{id}/sessions/{last}"), &staff), 2),
        Ending::LegacyStaffOne => (delete(&format!("/api/user/{id}/session/{last}"), &staff), 2),
        Ending::KratosAdminOne => (delete(&format!("/auth/admin/sessions/{uuid}"), &staff), 2),
        Ending::StaffSome => (delete(&format!("/api/users/{id}/sessions"), &staff).json(&json!({"ids": [last]})), 2),
        Ending::LegacyStaffSome => {
            (delete(&format!("/api/user/{id}/sessions"), &staff).json(&json!({"sessions": [last]})), 2)
        }
        Ending::KratosDisable => {
            let body = json!({"action": "disable", "sessions": [uuid]});
            (Request::new("POST", "/auth/admin/sessions").token(&staff).json(&body), 2)
        }
        Ending::StaffAll => (delete(&format!("/api/users/{id}/sessions/all"), &staff), 0),
        Ending::LegacyStaffAll => (delete(&format!("/api/user/{id}/sessions/all"), &staff), 0),
        Ending::KratosAdminAll => (delete(&format!("/auth/admin/identities/{}/sessions", person.uuid), &staff), 0),
        Ending::StaffPassword => (worker.proved("PUT", &format!("/api/users/{id}/password"), &new_password(false))?, 0),
        Ending::Ban => (Request::new("PUT", &format!("/api/users/{id}/ban")).token(&staff).json(&json!({})), 0),
        _ => (delete(&format!("/api/users/{id}"), &staff).json(&json!({})), 0),
    };
    Ok(sparing(worker, &person, spared, Trigger::Request(request)))
}

fn deletions(worker: &mut Worker<'_>) -> Result<PreparedEnding> {
    let (_, staff) = worker.staff()?;
    let (one, other) = (worker.person(1)?, worker.person(1)?);
    let ended = [worker.targets(&one, &one.tokens), worker.targets(&other, &other.tokens)].concat();
    let request = delete("/api/users", &staff).json(&json!({"ids": [one.id, other.id]}));
    Ok(PreparedEnding { trigger: Trigger::Request(request), ended, spared: vec![] })
}

fn by_command(ending: Ending, worker: &mut Worker<'_>) -> Result<PreparedEnding> {
    let person = worker.person(2)?;
    let name = person.name.as_str();
    let uuid = worker.session(&person.tokens[1])?.1;
    let (arguments, spared): (&[&str], _) = match ending {
        Ending::CliEnd => (&["session", "end", &uuid], 1),
        Ending::CliEndAll => (&["session", "end-all", "--user", name, "--yes"], 0),
        Ending::CliBan => (&["user", "ban", name], 0),
        Ending::CliSetPassword => (&["user", "set-password", name, "--password-stdin"], 0),
        Ending::CliDelete => (&["user", "delete", name, "--yes"], 0),
        _ => (&["session", "end-all", "--yes"], 0),
    };
    Ok(sparing(worker, &person, spared, typed(arguments)))
}

fn typed(arguments: &[&str]) -> Trigger {
    Trigger::Command(arguments.iter().map(|word| (*word).to_owned()).collect(), NEW_PASSWORD.to_owned())
}

/// Somebody loses what only staff may do, and keeps the session.
fn staff_rights(ending: Ending, worker: &mut Worker<'_>) -> Result<PreparedEnding> {
    let (_, staff) = worker.staff()?;
    let fallen = worker.new_staff(1)?.person;
    let Person { id, name, .. } = &fallen;
    let trigger = match ending {
        Ending::Demotion => Trigger::Request(worker.proved("DELETE", &format!("/api/users/{id}/staff"), &json!({}))?),
        Ending::FactorRemoval => Trigger::Request(delete(&format!("/api/users/{id}/2fa/all"), &staff).json(&json!({}))),
        Ending::CliDemote => typed(&["user", "demote", name]),
        _ => typed(&["user", "factors", "reset", name, "--yes"]),
    };
    let ended = vec![worker.run.ledger.target(&fallen.tokens[0], id, TokenCheck::STAFF.to_vec())];
    Ok(PreparedEnding { trigger, ended, spared: worker.targets(&fallen, &fallen.tokens) })
}

/// Everybody but staff loses something.
fn switch(worker: &mut Worker<'_>, ending: Ending, number: u8, checks: &[TokenCheck]) -> Result<PreparedEnding> {
    let (id, staff) = worker.staff()?;
    let person = worker.person(2)?;
    let by_command = matches!(
        ending,
        Ending::CliSwitchGlobal | Ending::CliSwitchFile | Ending::CliSwitchModify | Ending::CliSwitchLogin
    );
    let trigger = if by_command {
        typed(&["kill-switch", "on", &number.to_string()])
    } else {
        Trigger::Request(Request::new("PUT", &format!("/api/killswitches/{number}")).token(&staff).json(&json!({})))
    };
    let target = |token: &String| worker.run.ledger.target(token, &person.id, checks.to_vec());
    let spared = vec![worker.run.ledger.target(&staff, &id, vec![TokenCheck::Api, TokenCheck::Staff])];
    Ok(PreparedEnding { trigger, ended: person.tokens.iter().map(target).collect(), spared })
}
