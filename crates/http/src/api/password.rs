//! How soon a new password is guessed, which is looked at last of all. What costs nothing is looked at with the other
//! fields.

use thunderhead_auth::credentials::new_password::NewPasswordError;
use thunderhead_auth::credentials::password::rules::{Candidate, NewPassword};

use crate::access::call::Call;
use crate::api::error::ApiError;

/// Estimates how soon the password of this field is guessed.
pub(crate) async fn estimated(call: &Call, field: &'static str, candidate: Candidate) -> Result<NewPassword, ApiError> {
    call.auth().new_passwords.estimate(candidate).await.map_err(|error| match error {
        NewPasswordError::Unacceptable(_) => ApiError::MissingFields(vec![field]),
        NewPasswordError::Work(error) => error.into(),
    })
}
