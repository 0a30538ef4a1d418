//! `GET /forward-auth`: may this request pass? For nginx, Caddy, Traefik and HAProxy, and for Envoy below it.
//!
//! Whatever is not understood lets nobody through: a demand, the method of the original request, a proxy's word.

mod demands;
mod original;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse};
use thunderhead_auth::Auth;
use thunderhead_domain::judgement::{Admitted, Bearer, Circumstances, Denial, judge};
use thunderhead_domain::ports::StorageFault;

use self::demands::{Demands, NotUnderstood};
use self::original::{Asking, Told, allows_cookie, told};
use super::ENVOY;
use super::introspect::scope_names;
use crate::credential_order::CredentialOrder;
use crate::edge::Bodiless;
use crate::edge::record::RequestRecord;
use crate::gate::Shared;

/// No demands, where Envoy's prefix must name some.
const NO_DEMANDS: &str = "-";

/// What the questions of proxies share.
#[derive(Debug, Default)]
pub(crate) struct ForwardAuth {
    credentials: CredentialOrder,
    /// What the log was told already. It is a mistake in a proxy's configuration, which each request shows again.
    logged: [AtomicBool; 3],
}

impl ForwardAuth {
    pub(crate) fn new(credentials: CredentialOrder) -> Self {
        Self { credentials, ..Self::default() }
    }

    /// Tells the operator once what is amiss.
    fn log_once(&self, mistake: &Mistake, request: &HttpRequest) {
        let [demands, nothing, stranger] = &self.logged;
        let (logged, advice) = match mistake {
            Mistake::Demands(_) => (demands, "see the parameters of /forward-auth"),
            Mistake::MethodNotTold => (nothing, "have the proxy send X-Forwarded-Method or X-Original-Method"),
            Mistake::MethodToldByAStranger => (stranger, "if this is your proxy, add it to trusted_proxies"),
        };
        if !logged.swap(true, Ordering::Relaxed) {
            let peer = request.peer_addr().map(|peer| peer.ip().to_string());
            let error = mistake as &dyn std::error::Error;
            tracing::warn!(error, peer, advice, "forward-auth refuses what it does not understand; logged once");
        }
    }
}

/// What a proxy does wrong.
#[derive(Debug, thiserror::Error)]
enum Mistake {
    #[error("{0}")]
    Demands(#[from] NotUnderstood),
    #[error("a session cookie came with a question that does not tell the method of the request")]
    MethodNotTold,
    #[error("a session cookie came with a question of somebody who is not among trusted_proxies")]
    MethodToldByAStranger,
}

/// `GET /forward-auth?DEMANDS`.
pub(crate) async fn forward_auth(shared: Arc<Shared>, request: HttpRequest) -> HttpResponse {
    let demands = Demands::parse(request.query_string());
    respond(&shared, &request, demands, Asking::ByHeaders, StatusCode::NO_CONTENT).await
}

/// Any method on `/forward-auth/envoy/DEMANDS/ORIGINAL`. Envoy puts the operator's prefix before the path and query that
/// the client sent, and allows on 200 alone. The demands end with the first slash after them: what follows is the
/// client's, its query too.
pub(crate) async fn for_envoy(shared: Arc<Shared>, request: HttpRequest) -> HttpResponse {
    let below = request.uri().path().strip_prefix(ENVOY);
    let demands = match below.and_then(|below| below.split_once('/')) {
        Some((NO_DEMANDS, _)) => Ok(Demands::default()),
        Some(("", _)) | None => Err(NotUnderstood::Nothing),
        Some((demands, _)) => Demands::parse(demands),
    };
    respond(&shared, &request, demands, Asking::AsItself, StatusCode::OK).await
}

async fn respond(
    shared: &Shared,
    request: &HttpRequest,
    demands: Result<Demands, NotUnderstood>,
    asking: Asking,
    success: StatusCode,
) -> HttpResponse {
    let verdict = match demands {
        Ok(demands) => verdict(shared, request, &demands, asking).await,
        Err(reason) => {
            shared.forward_auth.log_once(&reason.into(), request);
            Ok(Err(StatusCode::FORBIDDEN))
        }
    };
    let mut response = match verdict {
        Ok(Ok(bearer)) => allowed(&bearer, &shared.auth, success),
        Ok(Err(status)) => HttpResponse::new(status),
        Err(fault) => {
            tracing::warn!(error = &fault as &dyn std::error::Error, "a proxy's question was not answered");
            HttpResponse::new(StatusCode::SERVICE_UNAVAILABLE)
        }
    };
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response.extensions_mut().insert(Bodiless);
    response
}

async fn verdict(
    shared: &Shared,
    request: &HttpRequest,
    demands: &Demands,
    asking: Asking,
) -> Result<Result<Bearer, StatusCode>, StorageFault> {
    let shown = shared.forward_auth.credentials.credential(request.headers(), &shared.cookie);
    let told = shown.is_cookie().then(|| told(request, asking, &shared.proxies));
    let may_use = |told| allows_cookie(told, request, asking, &shared.proxies, &shared.origins);
    let cross_site = told.is_some_and(|told| !may_use(told));
    let finding = shared.find(shown).await?;
    RequestRecord::note_caller(request, &finding.caller);
    let circumstances = Circumstances {
        over_limit: false,
        switches: finding.switches,
        staff_factor: shared.auth.policy().staff_factor,
        cross_site,
    };
    let principal = match judge(&demands.to_demand(), finding.caller, circumstances) {
        Ok(Admitted::User(principal)) => principal,
        Ok(Admitted::Staff(staff)) => staff.principal().clone(),
        Ok(Admitted::Anyone | Admitted::Visitor(_) | Admitted::Entrant(_)) => return Ok(Err(StatusCode::FORBIDDEN)),
        Err(denial) => {
            let mistake = told.filter(|_| denial == Denial::CrossSite).and_then(mistake);
            if let Some(mistake) = mistake {
                shared.forward_auth.log_once(&mistake, request);
            }
            return Ok(Err(status(denial)));
        }
    };
    let bearer = principal.bearer();
    let factor = circumstances.staff_factor;
    let covered = demands.scopes.iter().all(|scope| bearer.may(*scope, factor));
    Ok(if covered { Ok(bearer.clone()) } else { Err(StatusCode::FORBIDDEN) })
}

/// What the proxy did not tell, where that is why a cookie was refused.
const fn mistake(told: Told) -> Option<Mistake> {
    match told {
        Told::Safe | Told::Unsafe => None,
        Told::Nothing => Some(Mistake::MethodNotTold),
        Told::ByAStranger => Some(Mistake::MethodToldByAStranger),
    }
}

const fn status(denial: Denial) -> StatusCode {
    match denial {
        Denial::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Denial::SwitchedOff(_) => StatusCode::SERVICE_UNAVAILABLE,
        Denial::Unauthenticated | Denial::FactorOwed | Denial::AlreadyAuthenticated => StatusCode::UNAUTHORIZED,
        Denial::Banned | Denial::CrossSite | Denial::NotStaff | Denial::StaffFactorMissing | Denial::ScopeMissing => {
            StatusCode::FORBIDDEN
        }
    }
}

fn allowed(bearer: &Bearer, auth: &Auth, success: StatusCode) -> HttpResponse {
    let mut response = HttpResponse::build(success);
    response
        .insert_header(("X-User-Id", bearer.user.id.to_string()))
        .insert_header(("X-User-Name", bearer.user.username.as_str()))
        .insert_header(("X-User-Staff", if auth.has_staff_power(bearer) { "true" } else { "false" }))
        .insert_header(("X-Session-Id", bearer.session.id.to_string()))
        .insert_header(("X-Session-Scopes", scope_names(bearer, auth)));
    response.finish()
}
