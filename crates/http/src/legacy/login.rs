//! `POST /user/session`: a login. One that carries a session still logs in.

use thunderhead_auth::sessions::login::NamedBy;
use thunderhead_domain::authorization::LoginCaller;
use thunderhead_domain::session::Dialect;

use crate::access::call::Call;
use crate::access::limit_class::Submission;
use crate::api::entry::login::{Wording, enter};
use crate::legacy::error::LegacyResult;
use crate::legacy::form;

/// Later programs of this dialect already call the fields as the current one does.
const LEGACY: Wording = Wording {
    dialect: Dialect::Legacy,
    named_by: NamedBy::UsernameOrEmail,
    name: &["user", "username"],
    password: &["pass", "password"],
};

/// Whoever answers a challenge has shown the password already.
pub(super) const SUBMISSION: Submission = Submission {
    read: |request, payload| Box::pin(form::read_ahead(request, payload)),
    is_answer: |fields| fields.has("2fa") && !LEGACY.password.iter().any(|name| fields.has(name)),
};

pub(crate) async fn log_in(caller: LoginCaller, call: Call) -> LegacyResult {
    Ok(enter(caller.guest(), &call, call.fields().await, &LEGACY).await?)
}
