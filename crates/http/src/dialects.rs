//! The dialects, each at its place.

use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, StatusCode};
use actix_web::{Route, Scope, web};

use schemars::SchemaGenerator;

use crate::access::authorization::Shared;
use crate::access::dialect::{DocumentedDialect, HttpDialect};
use crate::access::documentation;
use crate::access::endpoint::Endpoint;
use crate::access::mount::{mount, nowhere};
use crate::api::Api;
use crate::kratos::Kratos;
use crate::legacy::Legacy;
use crate::metrics::RoutePattern;
use crate::middleware::decoration::Decoration;
use crate::middleware::request_context::ErrorFormat;
use crate::openapi::document::Part;
use crate::pages::{self, Pages};
use crate::roots;

/// Those of the API, in the order of the document, and in which their routes are tried where they share a place. The
/// pages stand at the root, and beside them.
pub(crate) const ALL: [AnyDialect; 3] =
    [AnyDialect::of::<Api>(), AnyDialect::of::<Legacy>(), AnyDialect::of::<Kratos>()];

type Nowhere = fn(&Arc<Shared>, Option<String>) -> Route;

/// What is done with a dialect, whichever it is.
#[derive(Clone, Copy)]
pub(crate) struct AnyDialect {
    prefix: Option<&'static str>,
    table: fn() -> Vec<Endpoint>,
    mount: fn(&mut web::ServiceConfig, &Arc<Shared>, &str),
    nowhere: Nowhere,
    error_of_status: ErrorFormat,
    decoration: fn(&Method, &str, &str) -> Option<Decoration>,
    part: fn(&str, &mut SchemaGenerator) -> Part,
}

impl AnyDialect {
    const fn of<D: HttpDialect + DocumentedDialect>() -> Self {
        Self {
            prefix: D::PREFIX,
            table: D::table,
            mount: mount::<D>,
            nowhere: nowhere::<D>,
            error_of_status: D::error_of_status,
            decoration: D::decoration,
            part: documentation::part::<D>,
        }
    }

    fn place(self, base_path: &str) -> &str {
        self.prefix.unwrap_or(base_path)
    }

    /// Its rows, each with the place of the dialect.
    pub(crate) fn rows(self, base_path: &str) -> impl Iterator<Item = (&str, Endpoint)> {
        let place = self.place(base_path);
        (self.table)().into_iter().map(move |endpoint| (place, endpoint))
    }

    /// What the OpenAPI document says of it.
    pub(crate) fn part(self, base_path: &str, generator: &mut SchemaGenerator) -> Part {
        (self.part)(self.place(base_path), generator)
    }
}

/// Mounts those that stand below the base path.
pub(crate) fn mount_below_base_path(services: &mut web::ServiceConfig, shared: &Arc<Shared>, base_path: &str) {
    let below = ALL.into_iter().filter(|dialect| dialect.prefix.is_none());
    services.service(scope(base_path, shared, &below.collect::<Vec<_>>(), nowhere::<Api>));
}

/// Mounts those that have a place of their own.
pub(crate) fn mount_elsewhere(services: &mut web::ServiceConfig, shared: &Arc<Shared>) {
    for dialect in ALL {
        if let Some(place) = dialect.prefix {
            services.service(scope(place, shared, &[dialect], dialect.nowhere));
        }
    }
}

fn scope(place: &str, shared: &Arc<Shared>, dialects: &[AnyDialect], nowhere: Nowhere) -> Scope {
    let scope = web::scope(place);
    let scope = scope.configure(|scope| dialects.iter().for_each(|dialect| (dialect.mount)(scope, shared, place)));
    scope.default_service(nowhere(shared, None))
}

/// How an error is put that no handler made: as the dialect does that has this place, else as the current one does.
pub(crate) fn error_format(path: &str) -> ErrorFormat {
    let there = ALL.into_iter().find(|dialect| dialect.prefix.is_some_and(|place| below(place, path).is_some()));
    there.map_or(Api::error_of_status, |dialect| dialect.error_of_status)
}

/// The same where there are pages.
pub(crate) fn error_format_beside_pages(path: &str) -> ErrorFormat {
    if pages::own(path) { Pages::error_of_status } else { error_format(path) }
}

/// What all answers to a request carry besides.
pub(crate) fn decoration(request: &ServiceRequest, base_path: &str) -> Option<Decoration> {
    // The path as the routes see it, with what needs no escape unescaped.
    let path = request.match_info().as_str();
    ALL.into_iter().find_map(|dialect| {
        let rest = below(dialect.place(base_path), path)?;
        (dialect.decoration)(request.method(), rest, base_path)
    })
}

/// What of a path is below a place: nothing, or what begins with a slash. `None` where it is elsewhere.
fn below<'a>(place: &str, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(place).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Every endpoint, for the metrics.
pub(crate) fn endpoints(base_path: &str, with_pages: bool) -> Vec<(Method, RoutePattern, StatusCode)> {
    let rows = ALL.into_iter().flat_map(|dialect| dialect.rows(base_path));
    let pages = if with_pages { Pages::table() } else { Vec::new() };
    let measured = rows.chain(pages.into_iter().map(|endpoint| ("", endpoint))).map(|(place, endpoint)| {
        let status = (endpoint.doc)().success.status;
        (endpoint.method.unwrap_or(Method::GET), RoutePattern::new(place, endpoint.path), status)
    });
    measured.collect()
}

/// Whether a base path is taken by other endpoints, those to come among them, and by pages, whether or not there are any.
pub fn is_taken(base_path: &str) -> bool {
    let mut places = ALL.into_iter().filter_map(|dialect| dialect.prefix);
    roots::is_taken(base_path) || pages::own(base_path) || places.any(|place| below(place, base_path).is_some())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderMap;
    use actix_web::test::TestRequest;
    use thunderhead_domain::time::Timestamp;

    use super::*;

    #[test]
    fn a_place_is_the_path_itself_and_what_is_below_it() {
        for path in ["/auth", "/auth/", "/auth/sessions"] {
            assert!(below("/auth", path).is_some(), "{path}");
        }
        for path in ["", "/", "/api", "/authx", "/api/auth", "auth", "/Auth"] {
            assert!(below("/auth", path).is_none(), "{path}");
        }
    }

    #[test]
    fn the_places_of_dialects_are_taken() {
        assert!(is_taken("/auth") && is_taken("/auth/v1") && is_taken("/health"));
        for page in ["login", "logout", "register", "account", "link", "staff", "assets"] {
            assert!(is_taken(&format!("/{page}")) && is_taken(&format!("/{page}/v1")), "{page}");
            assert!(!is_taken(&format!("/{page}s-api")) && !is_taken(&format!("/v1/{page}")), "{page}");
        }
        assert!(!is_taken("/auths-api") && !is_taken("/v1/auth") && !is_taken("") && !is_taken("/api"));
    }

    #[test]
    fn only_paths_of_the_legacy_dialect_are_decorated() {
        let is_decorated = |path, base| {
            let decoration = decoration(&TestRequest::with_uri(path).to_srv_request(), base);
            decoration.is_some_and(|decoration| {
                let mut headers = HeaderMap::new();
                decoration(&mut headers, Timestamp::from_unix_seconds(1_767_225_600));
                headers.contains_key("deprecation")
            })
        };
        assert!(is_decorated("/api/us%65r/session?x", "/api") && is_decorated("/session", ""));
        assert!(!is_decorated("/session", "/api") && !is_decorated("/apiuser/session", "/api"));
    }
}
