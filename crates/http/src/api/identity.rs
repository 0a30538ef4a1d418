//! Reading what a client shows to prove its user's identity: `password`, or the `2fa` answer to a challenge
//! (`docs/MODEL.md`, *Identity reverification*).

use serde_json::Value;
use thunderhead_auth::credentials::challenge::{AnswerKind, FactorAnswer, ShownFactor};
use thunderhead_auth::credentials::change::Reverified;
use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::credentials::reverify::IdentityProof;
use thunderhead_domain::authorization::Principal;

use crate::access::call::Call;
use crate::api::error::ApiError;
use crate::request::body::{Fields, Object};

/// A proof that has been read but not checked: the other fields' errors come first.
pub(crate) enum ProofForm {
    Password(Option<String>),
    Factor(Result<Option<FactorAnswer>, ApiError>),
    /// None is owed.
    Nothing,
}

/// Reads `2fa`, if it is there.
pub(crate) fn factor_answer(fields: &mut Fields) -> Result<Option<FactorAnswer>, ApiError> {
    let Some(answer) = fields.optional_object("2fa") else { return Ok(None) };
    let (Some(token), Some(kind)) = (text(&answer, "token"), text(&answer, "type")) else {
        fields.reject("2fa");
        return Ok(None);
    };
    let Some(kind) = AnswerKind::ALL.into_iter().find(|known| known.name() == kind) else {
        return Err(ApiError::InvalidSecondFactorMethod);
    };
    let shown = match kind {
        AnswerKind::Totp => text(&answer, "code").map(ShownFactor::Totp),
        AnswerKind::Backup => text(&answer, "code").map(ShownFactor::Backup),
        AnswerKind::Webauthn => {
            answer.get("response").filter(|value| value.is_object()).cloned().map(ShownFactor::Webauthn)
        }
    };
    if shown.is_none() {
        fields.reject("2fa");
    }
    Ok(shown.map(|shown| FactorAnswer { token, shown }))
}

fn text(answer: &Object, name: &str) -> Option<String> {
    answer.get(name).and_then(Value::as_str).map(str::to_owned)
}

impl ProofForm {
    /// Reads what the principal owes.
    pub(crate) fn read(fields: &mut Fields, principal: &Principal) -> Self {
        if !principal.needs_reverification() {
            Self::Nothing
        } else if fields.has("2fa") {
            Self::Factor(factor_answer(fields))
        } else {
            Self::Password(fields.required_string("password"))
        }
    }

    /// Has it checked, once the fields have turned out to be all there.
    pub(crate) async fn verify(self, call: &Call, principal: &Principal) -> Result<Reverified, ApiError> {
        let proof = match self {
            Self::Nothing => return Reverified::excused(principal).ok_or(ApiError::Internal),
            Self::Factor(answer) => answer?.map(IdentityProof::SecondFactor),
            Self::Password(password) => password.map(|text| IdentityProof::Password(Password::new(text))),
        };
        // A proof that could not be read has been noted as a missing field, and the caller has finished those.
        let proof = proof.ok_or(ApiError::Internal)?;
        Ok(call.auth().reverify(principal, proof, call.endpoint()).await?)
    }
}

/// For an endpoint whose body proves identity and says nothing else.
pub(crate) async fn only_identity(call: &Call, caller: &Principal) -> Result<Reverified, ApiError> {
    let mut fields = call.fields().await?;
    identity_last(caller, &mut fields)?.verify(call, caller).await
}

/// Reads the proof of identity, which stands last in every body, and ends the reading.
pub(crate) fn identity_last(caller: &Principal, fields: &mut Fields) -> Result<ProofForm, ApiError> {
    let shown = ProofForm::read(fields, caller);
    fields.finish()?;
    Ok(shown)
}
