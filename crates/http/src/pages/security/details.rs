//! `POST /account/security/password`, `…/name` and `…/email`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use thunderhead_auth::changes::ChangeError;
use thunderhead_auth::email::parse_email;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::user::Username;

use crate::access::call::Call;
use crate::pages::confirm::confirmed;
use crate::pages::error::PageResult;
use crate::pages::layout::see_other_saying;
use crate::pages::new_password::{PasswordErrors, new_password};
use crate::pages::notice::Notice;
use crate::pages::security::OVERVIEW;
use crate::pages::security::overview::{Mistakes, shown};

/// Leads back to the page, which says what was done.
pub(super) fn done(call: &Call, notice: Notice) -> HttpResponse {
    see_other_saying(call, OVERVIEW, notice)
}

pub(crate) async fn password(principal: Principal, call: Call) -> PageResult {
    let reverified = confirmed(&call, principal.clone())?;
    let fields = call.form().await?;
    let password = match new_password(&call, &fields, principal.user()).await? {
        Ok(password) => password,
        Err(errors) => return refused_password(&call, &principal, errors).await,
    };
    let update = call.auth().new_passwords.set(reverified.own(), password).await?;
    Ok(done(&call, Notice::PasswordChanged(update.sessions_ended)))
}

pub(crate) async fn remove_password(principal: Principal, call: Call) -> PageResult {
    let reverified = confirmed(&call, principal.clone())?;
    match call.auth().new_passwords.remove(reverified.own()).await {
        Ok(_) => Ok(done(&call, Notice::PasswordRemoved)),
        Err(ChangeError::Refused(Refusal::PasskeysMissing)) => Ok(done(&call, Notice::PasskeysNeeded)),
        Err(error) => Err(error.into()),
    }
}

async fn refused_password(call: &Call, principal: &Principal, password: PasswordErrors) -> PageResult {
    shown(call, principal, Mistakes { password, ..Mistakes::default() }, StatusCode::BAD_REQUEST).await
}

pub(crate) async fn name(principal: Principal, call: Call) -> PageResult {
    let reverified = confirmed(&call, principal.clone())?;
    let fields = call.form().await?;
    let typed = fields.text("new-username").unwrap_or_default().trim();
    let (error, status) = match Username::try_from(typed.to_owned()) {
        Err(_) => ("This cannot be a user name: see below.", StatusCode::BAD_REQUEST),
        Ok(name) => match call.auth().accounts.rename(reverified.own(), name).await {
            Ok(_) => return Ok(done(&call, Notice::Renamed)),
            Err(ChangeError::Refused(Refusal::Taken)) => ("Somebody else has this name.", StatusCode::CONFLICT),
            Err(error) => return Err(error.into()),
        },
    };
    shown(&call, &principal, Mistakes { name: Some((typed, error)), ..Mistakes::default() }, status).await
}

pub(crate) async fn email(principal: Principal, call: Call) -> PageResult {
    let reverified = confirmed(&call, principal.clone())?;
    let fields = call.form().await?;
    let typed = fields.text("new-email").unwrap_or_default().trim();
    let (error, status) = match parse_email(typed) {
        Err(_) => ("This is no e-mail address.", StatusCode::BAD_REQUEST),
        Ok(email) => match call.auth().accounts.set_email(reverified.own(), email).await {
            Ok(_) => return Ok(done(&call, Notice::Readdressed)),
            Err(ChangeError::Refused(Refusal::Taken)) => ("Somebody else has this address.", StatusCode::CONFLICT),
            Err(error) => return Err(error.into()),
        },
    };
    shown(&call, &principal, Mistakes { email: Some((typed, error)), ..Mistakes::default() }, status).await
}
