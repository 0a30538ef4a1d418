//! `GET /login`.

use actix_web::http::StatusCode;
use thunderhead_domain::authorization::LoginCaller;

use crate::access::call::Call;
use crate::pages::Kit;
use crate::pages::error::PageResult;
use crate::pages::layout::see_other;
use crate::pages::login::form::SignInForm;
use crate::pages::login::session_of;
use crate::pages::pass;
use crate::pages::redirect::NextPlace;

pub(crate) async fn show(caller: LoginCaller, call: Call) -> PageResult {
    let destination = NextPlace::of(call.request(), Kit::of(&call)?.site());
    if let Some(session) = session_of(&caller) {
        let mut response = see_other(call.request(), destination.location());
        // Without one, an application would send the browser here again.
        pass::give(&call, session, &mut response).await?;
        return Ok(response);
    }
    SignInForm::new(&destination, caller.guest().staff_only()).show(&call, StatusCode::OK).await
}
