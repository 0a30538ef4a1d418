//! Reading a new password: what is wrong with it is a field's fault. What costs nothing is looked at with the other
//! fields; how soon it is guessed, last of all.

use thunderhead_auth::accounts::register::NewPasswordError;
use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::credentials::password::rules::{Candidate, NewPassword};

use crate::access::call::Call;
use crate::api::error::ApiError;
use crate::request::body::{Fields, MissingFields};

/// Applies the rules that cost nothing to a field that has been asked for. `personal` are the texts that are the user's
/// own. `None` where the field is missing or now rejected, which the end of reading tells.
pub(crate) fn candidate(
    fields: &mut Fields,
    field: &'static str,
    text: Option<String>,
    personal: Vec<String>,
) -> Option<Candidate> {
    let candidate = Candidate::new(Password::new(text?), personal).ok();
    if candidate.is_none() {
        fields.reject(field);
    }
    candidate
}

/// Estimates how soon the password of this field is guessed.
pub(crate) async fn estimated(call: &Call, field: &'static str, candidate: Candidate) -> Result<NewPassword, ApiError> {
    call.auth().estimate(candidate).await.map_err(|error| match error {
        NewPasswordError::Unacceptable(_) => MissingFields(vec![field]).into(),
        NewPasswordError::Work(error) => error.into(),
    })
}
