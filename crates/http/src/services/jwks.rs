//! `/.well-known/jwks.json`: the public signing keys, for services that check a signature themselves
//! (RFC 7517 §5; `docs/API.md`).

use std::sync::Arc;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use thunderhead_auth::Auth;

use crate::roots::RootEndpoint;
use crate::services::readable;

pub(super) fn mount(services: &mut web::ServiceConfig, auth: &Arc<Auth>) {
    let auth = Arc::clone(auth);
    services.service(readable(RootEndpoint::Jwks, move || {
        let keys = auth.tokens.published_keys();
        async move { HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=30")).json(keys) }
    }));
}
