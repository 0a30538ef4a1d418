//! The pass of a browser that is signed in here: it shows it to the applications of a domain, whose proxies ask who it is
//! (`docs/PAGES.md`).

use actix_web::HttpResponse;
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::session::Session;

use crate::access::call::Call;
use crate::request::cookie::set_cookie;
use crate::request::pass_cookie;

/// Gives the browser another pass, where there is a domain for it. A session that has just ended gets none.
pub(super) async fn give(call: &Call, session: &Session, response: &mut HttpResponse) -> Result<(), StorageError> {
    let Some(domain) = call.pass_domain() else { return Ok(()) };
    if let Some(pass) = call.auth().passes.give(session).await? {
        let seconds = session.expires_at.unix_seconds() - call.auth().clock().now().unix_seconds();
        set_cookie(response, &pass_cookie::giving(pass.expose(), domain, seconds));
    }
    Ok(())
}

/// The same for a browser that goes on without one, too: where an application wants it, that leads here once more.
pub(super) async fn try_to_give(call: &Call, session: &Session, response: &mut HttpResponse) {
    if let Err(error) = give(call, session, response).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "a session got no pass");
    }
}
