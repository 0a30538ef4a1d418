//! The endpoints at the server's root, whatever the base path of the API is. All that treats them apart asks this list:
//! the log, the flood shield, the metrics, the OpenAPI document.

use actix_web::http::{Method, StatusCode};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RootEndpoint {
    Index,
    HealthLive,
    HealthReady,
    Jwks,
    Metadata,
    Document,
    DocumentPage,
    DocumentStyle,
    DocumentScript,
    Introspect,
    Revoke,
    Events,
    ForwardAuth,
}

/// What Envoy's questions begin with. Behind it come the requirements, and behind them what Envoy was asked for itself.
pub(crate) const ENVOY: &str = "/forward-auth/envoy/";

/// First segments of paths to come.
const RESERVED: [&str; 1] = ["metrics"];

impl RootEndpoint {
    pub(crate) const ALL: [Self; 13] = [
        Self::Index,
        Self::HealthLive,
        Self::HealthReady,
        Self::Jwks,
        Self::Metadata,
        Self::Document,
        Self::DocumentPage,
        Self::DocumentStyle,
        Self::DocumentScript,
        Self::Introspect,
        Self::Revoke,
        Self::Events,
        Self::ForwardAuth,
    ];

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::HealthLive => "/health/live",
            Self::HealthReady => "/health/ready",
            Self::Jwks => "/.well-known/jwks.json",
            Self::Metadata => "/.well-known/oauth-authorization-server",
            Self::Document => "/openapi.json",
            Self::DocumentPage => "/docs",
            Self::DocumentStyle => "/docs/style.css",
            Self::DocumentScript => "/docs/search.js",
            Self::Introspect => "/introspect",
            Self::Revoke => "/revoke",
            Self::Events => "/events",
            Self::ForwardAuth => "/forward-auth",
        }
    }

    pub(crate) fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }

    /// The method, and the status of the answer that it is there for.
    pub(crate) const fn success(self) -> (Method, StatusCode) {
        match self {
            Self::Index
            | Self::HealthLive
            | Self::HealthReady
            | Self::Jwks
            | Self::Metadata
            | Self::Document
            | Self::DocumentPage
            | Self::DocumentStyle
            | Self::DocumentScript
            | Self::Events => (Method::GET, StatusCode::OK),
            Self::Introspect | Self::Revoke => (Method::POST, StatusCode::OK),
            Self::ForwardAuth => (Method::GET, StatusCode::NO_CONTENT),
        }
    }

    /// Whether load balancers and supervisors ask it all the time.
    pub(crate) const fn is_probe(self) -> bool {
        matches!(self, Self::HealthLive | Self::HealthReady)
    }

    /// Whether other services ask it, as often as once for each request of their own clients. To ask changes nothing,
    /// whatever the method.
    const fn is_for_services(self) -> bool {
        matches!(self, Self::Introspect | Self::Events | Self::ForwardAuth)
    }
}

/// Whether the flood shield lets every request for this path through.
pub(crate) fn is_exempt_from_flood_shield(path: &str) -> bool {
    RootEndpoint::at(path).is_some_and(|endpoint| endpoint.is_probe() || endpoint.is_for_services())
        || is_below_envoy(path)
}

/// Whether a request with this method, for this path, only reads: as far as both tell.
pub(crate) fn only_reads(method: &Method, path: &str) -> bool {
    method.is_safe() || RootEndpoint::at(path).is_some_and(RootEndpoint::is_for_services) || is_below_envoy(path)
}

/// Whether a path holds another one, which a client of a client sent and which is nobody's business here.
pub(crate) fn is_below_envoy(path: &str) -> bool {
    path.starts_with(ENVOY)
}

/// A path without one that it holds.
pub(crate) fn without_original(path: &str) -> &str {
    let requirements = path.strip_prefix(ENVOY).map(|below| below.split('/').next().unwrap_or_default().len());
    requirements.and_then(|requirements| path.get(..ENVOY.len() + requirements)).unwrap_or(path)
}

/// A path without the one-time link that it may hold. No segment in front is written with escapes but by who hides one.
pub(crate) fn without_link(path: &str) -> &str {
    let Some(start) = path.find(|character| character != '/') else { return path };
    let end = path.get(start..).and_then(|rest| rest.find('/')).map_or(path.len(), |length| start + length);
    match path.get(start..end) {
        Some("link") => "/link/{token}",
        Some(first) if first.contains('%') => path.get(..end).unwrap_or_default(),
        _ => path,
    }
}

/// Whether a path shares its first segment with an endpoint at the root, or with one to come.
pub(crate) fn is_taken(path: &str) -> bool {
    first_segment(path).is_some_and(|first| taken_segments().any(|taken| taken == first))
}

fn taken_segments() -> impl Iterator<Item = &'static str> {
    RootEndpoint::ALL.into_iter().filter_map(|endpoint| first_segment(endpoint.path())).chain(RESERVED)
}

/// The first segment of an absolute path that is not the root alone.
pub(crate) fn first_segment(path: &str) -> Option<&str> {
    path.strip_prefix('/')?.split('/').next().filter(|first| !first.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_the_root_is_taken_and_nothing_else() {
        assert!(RootEndpoint::ALL.into_iter().skip(1).all(|endpoint| is_taken(endpoint.path())));
        for root in taken_segments() {
            assert!(is_taken(&format!("/{root}")) && is_taken(&format!("/{root}/v1")), "{root}");
            assert!(!is_taken(&format!("/{root}s-api")) && !is_taken(&format!("/v1/{root}")), "{root}");
        }
        for free in ["", "/", "/api", "/v1/api", "login"] {
            assert!(!is_taken(free), "{free}");
        }
    }

    #[test]
    fn a_link_is_not_told_in_whatever_way_it_is_written() {
        for path in ["/link/thk_x", "//link//thk_x", "/link/thk_x/y", "/link"] {
            assert_eq!(without_link(path), "/link/{token}", "{path}");
        }
        for (path, told) in [
            ("/%6cink/thk_x", "/%6cink"),
            ("//l%69nk/thk_x", "//l%69nk"),
            ("/links/x", "/links/x"),
            ("/account/link", "/account/link"),
            ("/api/users/%31", "/api/users/%31"),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(without_link(path), told);
        }
    }

    #[test]
    fn probes_and_what_services_ask_pass_the_flood_shield() {
        let exempt = RootEndpoint::ALL.into_iter().filter(|endpoint| is_exempt_from_flood_shield(endpoint.path()));
        let exempt: Vec<_> = exempt.map(RootEndpoint::path).collect();
        assert_eq!(exempt, ["/health/live", "/health/ready", "/introspect", "/events", "/forward-auth"]);
        assert!(is_exempt_from_flood_shield("/forward-auth/envoy/-/x") && !is_exempt_from_flood_shield("/api"));
    }
}
