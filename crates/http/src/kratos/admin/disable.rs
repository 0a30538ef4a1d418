//! `POST /auth/admin/sessions`: ends many sessions at once, of whomever.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::id::{SessionUuid, UserUuid};
use uuid::Uuid;

use crate::access::call::Call;
use crate::kratos::error::{KratosError, KratosResult};
use crate::kratos::query::uuid;
use crate::kratos::wire::{Processed, done};
use crate::request::body::{BodySchema, Field, Notes, RequestBody, body};

/// The most ids in one request, and the most sessions that one request for everybody's ends.
const MOST: usize = 500;

const DISABLE: &str = "disable";
const UUIDS: &str = "an array of UUIDs";

body! {
    pub(crate) struct KratosDisable {
        action: DisableAction,
        /// Users' uuids, all of whose sessions end, or `*` alone.
        identities: Option<Uuids> = ["0b6f4f5e-7c2a-4d8e-9a51-3f0c6a2b7d14"],
        /// Sessions' uuids.
        sessions: Option<Uuids> = ["6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20"],
    }
}

/// The fields of a body, which has either sessions or identities.
pub(crate) fn schema(generator: &mut SchemaGenerator) -> BodySchema {
    let choices = [("sessions", "KratosDisableSessions"), ("identities", "KratosDisableIdentities")];
    KratosDisable::schema(generator).either(&choices)
}

/// The only action there is.
pub(crate) struct DisableAction;

/// An array that may hold too many of whatever: that is told after what the body lacks.
pub(crate) struct Uuids(Vec<Value>);

impl Field for DisableAction {
    fn read(value: Value, _: &mut Notes) -> Option<Self> {
        (value == DISABLE).then_some(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"const": DISABLE, "examples": [DISABLE]})
    }
}

impl Field for Uuids {
    fn read(value: Value, _: &mut Notes) -> Option<Self> {
        let Value::Array(values) = value else { return None };
        Some(Self(values))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "maxItems": MOST, "items": {"type": "string"}})
    }
}

pub(crate) async fn disable(staff: StaffPrincipal, call: Call) -> KratosResult {
    let expected = |name: &str| if name == "action" { DISABLE } else { UUIDS };
    let body = call.body().await;
    let KratosDisable { action: DisableAction, identities, sessions } =
        body.map_err(|rejection| KratosError::of_body(rejection, expected))?;
    let all = call.auth().sessions.all(&staff);
    let (processed, more) = match (identities, sessions) {
        (Some(Uuids(everybody)), None) if matches!(everybody.as_slice(), [Value::String(star)] if star == "*") => {
            all.end_newest(MOST as u32).await?
        }
        (Some(Uuids(identities)), None) => {
            let users = ids("identities", &identities, UserUuid)?;
            (all.end_of(&users).await?, false)
        }
        (None, Some(Uuids(sessions))) => {
            let sessions = ids("sessions", &sessions, SessionUuid)?;
            (all.end_named(&sessions).await?, false)
        }
        (None, None) | (Some(_), Some(_)) => {
            return Err(KratosError::Malformed("the body", "one with either identities or sessions"));
        }
    };
    Ok(done(&Processed { processed, more }))
}

fn ids<T>(name: &'static str, values: &[Value], id: impl Fn(Uuid) -> T) -> Result<Vec<T>, KratosError> {
    if values.len() > MOST {
        return Err(KratosError::TooMany(MOST));
    }
    let parsed = values.iter().map(|value| value.as_str().and_then(uuid).map(&id));
    parsed.collect::<Option<_>>().ok_or(KratosError::Malformed(name, UUIDS))
}
