//! `/.well-known/jwks.json`: the public signing keys, for services that check a signature themselves
//! (RFC 7517 §5; `docs/API.md`).

use std::sync::Arc;

use actix_web::http::header::{ALLOW, CACHE_CONTROL};
use actix_web::{HttpResponse, web};
use thunderhead_auth::Auth;

pub(crate) fn mount(services: &mut web::ServiceConfig, auth: &Arc<Auth>) {
    let auth = Arc::clone(auth);
    let show = move || {
        let keys = auth.published_keys();
        async move { HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=30")).json(keys) }
    };
    let wrong_method = || async { HttpResponse::MethodNotAllowed().insert_header((ALLOW, "GET, HEAD")).finish() };
    let resource =
        web::resource("/.well-known/jwks.json").route(web::get().to(show.clone())).route(web::head().to(show));
    services.service(resource.default_service(web::to(wrong_method)));
}
