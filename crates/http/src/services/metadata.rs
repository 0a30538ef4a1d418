//! `/.well-known/oauth-authorization-server`: where the endpoints are that OAuth knows, for clients that look them up
//! (RFC 8414).
//!
//! `response_types_supported`, which the RFC requires, is left out: nobody is authorized here by a redirect, so there is
//! none, and a list of none may not be sent.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::web::{self, Bytes};
use schemars::JsonSchema;
use serde::Serialize;
use thunderhead_domain::scope::Scope;
use url::Url;

use crate::metrics::RoutePattern;
use crate::roots::RootEndpoint;
use crate::services::readable_at;

/// What there is, for an issuer that can be looked up.
#[derive(Clone)]
pub(crate) struct Metadata {
    path: String,
    document: Bytes,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct ServerMetadata {
    /// The `iss` of tokens.
    #[schemars(example = "https://auth.example.org".to_owned())]
    issuer: String,
    #[schemars(example = "https://auth.example.org/.well-known/jwks.json".to_owned())]
    jwks_uri: String,
    /// Names of scopes.
    #[schemars(example = vec!["FILE_READ".to_owned()])]
    scopes_supported: Vec<&'static str>,
    #[schemars(example = "https://auth.example.org/introspect".to_owned())]
    introspection_endpoint: String,
    #[schemars(example = vec!["client_secret_basic".to_owned(), "client_secret_post".to_owned()])]
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    #[schemars(example = "https://auth.example.org/revoke".to_owned())]
    revocation_endpoint: String,
    /// A token is enough to end its session.
    #[schemars(example = vec!["none".to_owned()])]
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
}

impl Metadata {
    /// That of an issuer; `None` of one that nobody can look up: which is no `https` URL, or one with more than a plain
    /// path.
    pub(crate) fn of(issuer: &str) -> Option<Self> {
        let url = Url::parse(issuer).ok().filter(|url| url.scheme() == "https" && url.username().is_empty())?;
        if url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return None;
        }
        // RFC 8414, section 3.1: what the issuer has of a path comes last, without a slash at its end.
        let path = url.path().strip_suffix('/').unwrap_or(url.path());
        if !path.split('/').skip(1).all(is_plain_segment) {
            return None;
        }
        let at = |endpoint: RootEndpoint| url.origin().ascii_serialization() + endpoint.path();
        let metadata = ServerMetadata {
            issuer: issuer.to_owned(),
            jwks_uri: at(RootEndpoint::Jwks),
            scopes_supported: Scope::TABLE.map(|(scope, _)| scope.name()).to_vec(),
            introspection_endpoint: at(RootEndpoint::Introspect),
            introspection_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
            revocation_endpoint: at(RootEndpoint::Revoke),
            revocation_endpoint_auth_methods_supported: ["none"],
        };
        let document = serde_json::to_vec(&metadata).ok()?.into();
        Some(Self { path: format!("{}{path}", RootEndpoint::Metadata.path()), document })
    }

    pub(super) fn mount(&self, services: &mut web::ServiceConfig) {
        let document = self.document.clone();
        let show = move || {
            let document = document.clone();
            async move {
                let mut response = HttpResponse::Ok();
                response.content_type(ContentType::json());
                response.insert_header((CACHE_CONTROL, "public, max-age=60")).body(document)
            }
        };
        let pattern = RoutePattern::new(RootEndpoint::Metadata.path(), "");
        services.service(readable_at(&self.path, show).app_data(pattern));
    }
}

/// One that is matched as it is written, whatever a router makes of others.
fn is_plain_segment(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    !segment.is_empty() && segment.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(issuer: &str) -> Option<(String, Value)> {
        Metadata::of(issuer).map(|metadata| (metadata.path, serde_json::from_slice(&metadata.document).unwrap()))
    }

    #[test]
    fn an_issuer_is_looked_up_at_its_own_place_and_its_endpoints_at_its_origin() {
        for (issuer, path, origin) in [
            ("https://auth.example", "", "https://auth.example"),
            ("https://auth.example/", "", "https://auth.example"),
            ("https://AUTH.example:443/tenant", "/tenant", "https://auth.example"),
            ("https://auth.example:8443/a/b-1/", "/a/b-1", "https://auth.example:8443"),
            ("https://[::1]/a", "/a", "https://[::1]"),
        ] {
            let (place, document) = of(issuer).unwrap();
            assert_eq!(place, format!("/.well-known/oauth-authorization-server{path}"), "{issuer}");
            assert_eq!(document["issuer"], issuer);
            for (field, endpoint) in [
                ("jwks_uri", "/.well-known/jwks.json"),
                ("introspection_endpoint", "/introspect"),
                ("revocation_endpoint", "/revoke"),
            ] {
                assert_eq!(document[field], format!("{origin}{endpoint}"), "{issuer}");
            }
            assert_eq!(document["revocation_endpoint_auth_methods_supported"], json!(["none"]));
            assert_eq!(document["scopes_supported"][1], "UPLOAD_FILE");
            assert_eq!(document.get("response_types_supported"), None);
        }
    }

    #[test]
    fn an_issuer_that_cannot_be_looked_up_has_none() {
        for issuer in [
            "thunderhead",
            "http://auth.example",
            "https://",
            "https://auth.example?x",
            "https://auth.example/#x",
            "https://ada@auth.example",
            "https://:x@auth.example",
            "https://auth.example//",
            "https://auth.example/a//b",
            "https://auth.example/%7Ba%7D",
            "https://auth.example/{a}",
            "https://auth.example/a b",
            "urn:example:auth",
            "",
        ] {
            assert_eq!(of(issuer), None, "{issuer}");
        }
    }
}
