//! `GET /login`.

use actix_web::http::StatusCode;
use thunderhead_domain::authorization::LoginCaller;

use crate::access::call::Call;
use crate::pages::Kit;
use crate::pages::error::PageResult;
use crate::pages::layout::see_other;
use crate::pages::login::form::SignInForm;
use crate::pages::login::is_signed_in;
use crate::pages::redirect::NextPlace;

pub(crate) async fn show(caller: LoginCaller, call: Call) -> PageResult {
    let destination = NextPlace::of(call.request(), Kit::of(&call)?.site());
    if is_signed_in(&caller) {
        return Ok(see_other(call.request(), destination.location()));
    }
    Ok(SignInForm::new(&destination, caller.guest().staff_only()).show(&call, StatusCode::OK).await?)
}
