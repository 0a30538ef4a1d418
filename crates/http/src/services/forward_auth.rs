//! `GET /forward-auth`: may this request pass? For nginx's `auth_request`, Caddy and Traefik.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use thunderhead_domain::judgement::{Admitted, Bearer, Circumstances, Demand, Denial, ScopeDemand, Who, judge};
use thunderhead_domain::ports::StorageFault;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;

use super::introspect::scope_names;
use crate::cookie::SessionCookie;
use crate::credential::{Credential, bearing, credential, is_same_origin};
use crate::edge::Bodiless;
use crate::gate::Shared;
use crate::query;

const X_SESSION_TOKEN: HeaderName = HeaderName::from_static("x-session-token");
/// Where proxies say what method the request has that they ask about: Caddy and Traefik by themselves, nginx as
/// `docs/OPERATIONS.md` configures it.
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");

/// What a proxy asks for in its query.
struct Wanted {
    scopes: Vec<Scope>,
    staff: bool,
    switch: &'static [KillSwitch],
}

/// A name in the query that is no scope's or switch's.
struct UnknownName;

pub(crate) async fn forward_auth(shared: Arc<Shared>, request: HttpRequest) -> HttpResponse {
    let mut response = match verdict(&shared, &request).await {
        Ok(Ok(admitted)) => allowed(&admitted),
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

async fn verdict(shared: &Shared, request: &HttpRequest) -> Result<Result<Bearer, StatusCode>, StorageFault> {
    let shown = shown(request, &shared.cookie);
    let cross_site = is_cross_site(shared, request, &shown);
    let finding = shared.find(shown).await?;
    let Ok(wanted) = wanted(request) else { return Ok(Err(StatusCode::FORBIDDEN)) };
    let who = if wanted.staff { Who::Staff(ScopeDemand::Any) } else { Who::User(ScopeDemand::Any) };
    let demand = Demand { who, switches: wanted.switch, reverify: false };
    let circumstances = Circumstances {
        over_limit: false,
        switches: finding.switches,
        staff_factor: shared.auth.policy().staff_factor,
        cross_site,
    };
    let principal = match judge(&demand, finding.caller, circumstances) {
        Ok(Admitted::User(principal)) => principal,
        Ok(Admitted::Staff(staff)) => staff.principal().clone(),
        Ok(Admitted::Anyone | Admitted::Visitor(_) | Admitted::Entrant(_)) => return Ok(Err(StatusCode::FORBIDDEN)),
        Err(denial) => return Ok(Err(status(denial))),
    };
    let bearer = principal.bearer();
    let covered = wanted.scopes.iter().all(|scope| bearer.may(*scope));
    Ok(if covered { Ok(bearer.clone()) } else { Err(StatusCode::FORBIDDEN) })
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

/// As the API reads it, with `X-Session-Token` between `Authorization` and the cookie.
fn shown(request: &HttpRequest, cookie: &SessionCookie) -> Credential {
    let headers = request.headers();
    if headers.contains_key(AUTHORIZATION) || !headers.contains_key(X_SESSION_TOKEN) {
        credential(headers, cookie)
    } else {
        bearing(headers, &X_SESSION_TOKEN)
    }
}

/// Whether a cookie is used for a change that another site asked for. The change is the one that the proxy asks
/// about, not its question.
fn is_cross_site(shared: &Shared, request: &HttpRequest, shown: &Credential) -> bool {
    let told = request.headers().get(X_FORWARDED_METHOD);
    let method = told.map_or(Ok(Method::GET), |value| Method::from_bytes(value.as_bytes()));
    let same_origin = |method| is_same_origin(&method, request.headers(), &shared.origins);
    shown.is_cookie() && !method.is_ok_and(same_origin)
}

/// A staff scope is asked for on behalf of a staff endpoint, so it takes staff with a second factor.
fn wanted(request: &HttpRequest) -> Result<Wanted, UnknownName> {
    let names = query::texts(request, "scope");
    let scopes = names.iter().flat_map(|names| names.split_ascii_whitespace()).map(str::parse::<Scope>);
    let scopes = scopes.collect::<Result<Vec<_>, _>>().map_err(|_| UnknownName)?;
    let staff = query::flag(request, &["staff"]) || scopes.iter().any(|scope| scope.is_staff());
    let switch = match query::texts(request, "switch").as_slice() {
        [] => &[],
        [name] => switch_named(name).ok_or(UnknownName)?,
        [_, _, ..] => return Err(UnknownName),
    };
    Ok(Wanted { scopes, staff, switch })
}

/// The row of the table, which lives as long as a demand must.
fn switch_named(name: &str) -> Option<&'static [KillSwitch]> {
    const ALL: [KillSwitch; KillSwitch::TABLE.len()] = {
        let mut all = [KillSwitch::Global; KillSwitch::TABLE.len()];
        let mut index = 0;
        while index < all.len() {
            all[index] = KillSwitch::TABLE[index].0;
            index += 1;
        }
        all
    };
    let index = KillSwitch::TABLE.iter().position(|(_, known)| *known == name)?;
    ALL.get(index..=index)
}

fn allowed(bearer: &Bearer) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response
        .insert_header(("X-User-Id", bearer.user.id.to_string()))
        .insert_header(("X-User-Name", bearer.user.username.as_str()))
        .insert_header(("X-User-Staff", if bearer.user.staff { "true" } else { "false" }))
        .insert_header(("X-Session-Id", bearer.session.id.to_string()))
        .insert_header(("X-Session-Scopes", scope_names(bearer)));
    response.finish()
}
