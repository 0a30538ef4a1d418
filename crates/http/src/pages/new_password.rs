//! A new password that was typed twice: what is wrong with it, in words.

use thunderhead_auth::credentials::new_password::NewPasswordError;
use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::credentials::password::rules::{Candidate, NewPassword, UnacceptablePassword};
use thunderhead_domain::user::User;

use crate::access::call::Call;
use crate::pages::error::PageError;
use crate::pages::form::TextField;
use crate::request::body::Fields;

/// The two fields, by their names.
pub(crate) const PASSWORD: &str = "new-password";
pub(crate) const CONFIRMATION: &str = "confirm-password";

/// What is wrong with the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PasswordErrors {
    pub(crate) password: Option<&'static str>,
    pub(crate) confirmation: Option<&'static str>,
}

impl PasswordErrors {
    /// The fields, empty, with what is wrong. `focus` is whether the page begins here where something is.
    pub(crate) fn fields(self) -> [TextField<'static>; 2] {
        let password = TextField {
            hint: "At least 8 characters, of any kind. Several words that do not belong together are best.",
            error: self.password,
            focus: self.password.is_some(),
            ..TextField::password(PASSWORD, "New password", "new-password")
        };
        let confirmation = TextField {
            error: self.confirmation,
            focus: self.password.is_none() && self.confirmation.is_some(),
            ..TextField::password(CONFIRMATION, "New password again", "new-password")
        };
        [password, confirmation]
    }
}

/// The new password of a user, or what is wrong with what was typed.
pub(crate) async fn new_password(
    call: &Call,
    fields: &Fields,
    user: &User,
) -> Result<Result<NewPassword, PasswordErrors>, PageError> {
    let personal = vec![user.username.to_string(), user.email.as_str().to_owned()];
    match candidate(fields, personal) {
        Ok(candidate) => estimated(call, candidate).await,
        Err(errors) => Ok(Err(errors)),
    }
}

/// Applies the rules that cost nothing. `personal` are the texts that belong to the user.
pub(crate) fn candidate(fields: &Fields, personal: Vec<String>) -> Result<Candidate, PasswordErrors> {
    let text = |name| fields.text(name).unwrap_or_default();
    if text(PASSWORD).is_empty() {
        return Err(PasswordErrors { password: Some("Type a password."), confirmation: None });
    }
    let candidate = Candidate::new(Password::new(text(PASSWORD).to_owned()), personal).map_err(unacceptable)?;
    if candidate.is(text(CONFIRMATION)) {
        Ok(candidate)
    } else {
        Err(PasswordErrors { password: None, confirmation: Some("This is another password than the one above.") })
    }
}

/// Estimates how soon it is guessed, once all else is in order.
pub(crate) async fn estimated(
    call: &Call,
    candidate: Candidate,
) -> Result<Result<NewPassword, PasswordErrors>, PageError> {
    match call.auth().new_passwords.estimate(candidate).await {
        Ok(password) => Ok(Ok(password)),
        Err(NewPasswordError::Unacceptable(broken)) => Ok(Err(unacceptable(broken))),
        Err(NewPasswordError::Work(error)) => Err(error.into()),
    }
}

const fn unacceptable(broken: UnacceptablePassword) -> PasswordErrors {
    let words = match broken {
        UnacceptablePassword::TooShort => "This is too short: it takes at least 8 characters.",
        UnacceptablePassword::TooLong => "This is too long.",
        UnacceptablePassword::Personal => "This is your own name or address.",
        UnacceptablePassword::Common => "This is too easily guessed. Take several words that do not belong together.",
    };
    PasswordErrors { password: Some(words), confirmation: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_name_the_length_that_is_asked_for() {
        let asked = NewPassword::MIN.to_string();
        let [password, _] = PasswordErrors::default().fields();
        assert!(password.hint.contains(&asked));
        assert!(unacceptable(UnacceptablePassword::TooShort).password.unwrap().contains(&asked));
    }
}
