//! `POST /auth/admin/sessions`: ends many sessions at once, of whomever.

use serde_json::Value;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::id::{SessionUuid, UserUuid};
use uuid::Uuid;

use crate::access::call::Call;
use crate::kratos::error::{KratosError, KratosResult};
use crate::kratos::query::uuid;
use crate::kratos::wire::{Processed, done};

/// The most ids in one request, and the most sessions that one request for everybody's ends.
const MOST: usize = 500;

pub(crate) async fn disable(staff: StaffPrincipal, call: Call) -> KratosResult {
    let mut fields = call.fields().await?;
    if fields.required_string("action").as_deref() != Some("disable") {
        return Err(KratosError::Malformed("action", "disable"));
    }
    let named = |fields: &mut crate::request::body::Fields, name: &'static str| match fields.has(name) {
        true => fields.required_array(name).map(Some).ok_or(KratosError::Malformed(name, "an array of UUIDs")),
        false => Ok(None),
    };
    let (identities, sessions) = (named(&mut fields, "identities")?, named(&mut fields, "sessions")?);
    let auth = call.auth();
    let (processed, more) = match (identities, sessions) {
        (Some(everybody), None) if matches!(everybody.as_slice(), [Value::String(star)] if star == "*") => {
            auth.staff_session_end_everywhere(&staff, MOST as u32).await?
        }
        (Some(identities), None) => {
            let users = ids("identities", &identities, UserUuid)?;
            (auth.staff_session_end_of(&staff, &users).await?, false)
        }
        (None, Some(sessions)) => {
            let sessions = ids("sessions", &sessions, SessionUuid)?;
            (auth.staff_session_end_named(&staff, &sessions).await?, false)
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
    parsed.collect::<Option<_>>().ok_or(KratosError::Malformed(name, "an array of UUIDs"))
}
