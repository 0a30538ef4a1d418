//! Challenges as rows.

use diesel::prelude::*;
use thunderhead_domain::budget::BudgetKey;
use thunderhead_domain::challenge::{Challenge, ChallengeId, ChallengePurpose, NewChallenge};
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::time::Timestamp;

use super::uuid;
use crate::error::DataError;
use crate::schema::challenges;
use crate::text;
use crate::unreadable::{Keyed, RowKey};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = challenges)]
pub(crate) struct ChallengeRow {
    id: Vec<u8>,
    pub(crate) user_id: i64,
    purpose: String,
    session_uuid: Option<Vec<u8>>,
    endpoint: Option<String>,
    pub(crate) credential_version: i64,
    state: Option<String>,
    failures: i64,
    spent: bool,
    created_at: i64,
    expires_at: i64,
    budget: Option<String>,
}

const LOGIN: &str = "login";
const REVERIFICATION: &str = "reverification";
const CONFIRMATION: &str = "confirmation";
const TOTP_ENROLMENT: &str = "totp_enrolment";
const WEBAUTHN_ENROLMENT: &str = "webauthn_enrolment";
const PASSKEY_ENROLMENT: &str = "passkey_enrolment";

impl From<&NewChallenge> for ChallengeRow {
    fn from(new: &NewChallenge) -> Self {
        let (purpose, session, endpoint) = match &new.purpose {
            ChallengePurpose::Login => (LOGIN, None, None),
            ChallengePurpose::Reverification { session, endpoint } => (REVERIFICATION, Some(session), Some(endpoint)),
            ChallengePurpose::Confirmation(session) => (CONFIRMATION, Some(session), None),
            ChallengePurpose::TotpEnrolment(session) => (TOTP_ENROLMENT, Some(session), None),
            ChallengePurpose::WebauthnEnrolment(session) => (WEBAUTHN_ENROLMENT, Some(session), None),
            ChallengePurpose::PasskeyEnrolment(session) => (PASSKEY_ENROLMENT, Some(session), None),
        };
        Self {
            id: new.id.0.as_bytes().to_vec(),
            user_id: new.user.number(),
            purpose: purpose.to_owned(),
            session_uuid: session.map(|session| session.0.as_bytes().to_vec()),
            endpoint: endpoint.cloned(),
            credential_version: new.credential_version,
            state: new.state.clone(),
            failures: 0,
            spent: false,
            created_at: new.at.unix_millis(),
            expires_at: new.expires_at.unix_millis(),
            budget: Some(text::budget_key(&new.budget)),
        }
    }
}

impl Keyed for ChallengeRow {
    fn key(&self) -> RowKey {
        RowKey::uuid(&self.id)
    }
}

impl TryFrom<ChallengeRow> for Challenge {
    type Error = DataError;

    fn try_from(row: ChallengeRow) -> Result<Self, DataError> {
        let session = row.session_uuid.map(|bytes| uuid("challenges.session_uuid", &bytes).map(SessionUuid));
        let purpose = match (row.purpose.as_str(), session.transpose()?, row.endpoint) {
            (LOGIN, None, None) => ChallengePurpose::Login,
            (REVERIFICATION, Some(session), Some(endpoint)) => ChallengePurpose::Reverification { session, endpoint },
            (CONFIRMATION, Some(session), None) => ChallengePurpose::Confirmation(session),
            (TOTP_ENROLMENT, Some(session), None) => ChallengePurpose::TotpEnrolment(session),
            (WEBAUTHN_ENROLMENT, Some(session), None) => ChallengePurpose::WebauthnEnrolment(session),
            (PASSKEY_ENROLMENT, Some(session), None) => ChallengePurpose::PasskeyEnrolment(session),
            _ => return Err(DataError::Column("challenges.purpose")),
        };
        let user = UserId::from_number(row.user_id);
        let budget = row.budget.map(|key| text::budget(&key, user)).transpose()?;
        Ok(Self {
            id: ChallengeId(uuid("challenges.id", &row.id)?),
            user,
            purpose,
            // Challenges from before there was more than one budget.
            budget: budget.unwrap_or(BudgetKey::Account(user)),
            credential_version: row.credential_version,
            state: row.state,
            failures: u32::try_from(row.failures).map_err(|_| DataError::Column("challenges.failures"))?,
            spent: row.spent,
            created_at: Timestamp::from_unix_millis(row.created_at),
            expires_at: Timestamp::from_unix_millis(row.expires_at),
        })
    }
}
