//! Reading a new password: what is wrong with it is a field's fault.

use thunderhead_auth::password::{NewPassword, Password};
use thunderhead_auth::register::NewPasswordError;

use super::error::ApiError;
use crate::body::Fields;
use crate::call::Call;

/// Applies the rules for new passwords to a field that has been asked for. `personal` are the texts that are the
/// user's own. `None` where the field is missing or now rejected, which the end of reading tells.
pub(crate) async fn new_password(
    call: &Call,
    fields: &mut Fields,
    field: &'static str,
    text: Option<String>,
    personal: Vec<String>,
) -> Result<Option<NewPassword>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    match call.auth().new_password(Password::new(text), personal).await {
        Ok(password) => Ok(Some(password)),
        Err(NewPasswordError::Unacceptable(_)) => {
            fields.reject(field);
            Ok(None)
        }
        Err(NewPasswordError::Work(fault)) => Err(fault.into()),
    }
}
