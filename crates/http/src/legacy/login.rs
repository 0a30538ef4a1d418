//! `POST /user/session`: a login. One that carries a session still logs in.

use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::sessions::login::NamedBy;
use thunderhead_domain::authorization::LoginCaller;

use crate::access::call::Call;
use crate::access::limit_class::Submission;
use crate::api::entry::login::{LoginWithPassword, enter};
use crate::legacy::error::LegacyResult;
use crate::legacy::form;
use crate::request::body::body;

body! {
    /// Later programs of this dialect already call the fields as the current one does.
    pub(crate) struct LegacyLoginWithPassword {
        /// The user name or the address, in any case.
        username as "user" or "username": String = "ada",
        password as "pass" or "password": Password,
        /// Whether the session is to last for years.
        remember_me as "rememberMe": bool,
    }
}

impl From<LegacyLoginWithPassword> for LoginWithPassword {
    fn from(LegacyLoginWithPassword { username, password, remember_me }: LegacyLoginWithPassword) -> Self {
        Self { username, password, remember_me }
    }
}

/// Whoever answers a challenge has shown the password already.
pub(super) const SUBMISSION: Submission = Submission {
    read: |request, payload| Box::pin(form::read_ahead(request, payload)),
    is_answer: |fields| fields.has("2fa") && !fields.has("pass") && !fields.has("password"),
};

pub(crate) async fn log_in(caller: LoginCaller, call: Call) -> LegacyResult {
    Ok(enter::<LegacyLoginWithPassword>(caller.guest(), &call, call.body().await, NamedBy::UsernameOrEmail).await?)
}
