//! Paths that name the same: a slash at the end, and several in a row, mean nothing (`docs/MODEL.md`).

use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;

use crate::roots::is_below_envoy;

/// The longest path that can lead anywhere, in bytes. Those of endpoints are a tenth of that, and three times as long
/// where every letter is escaped.
const LONGEST: usize = 1_024;
/// How much is kept of a longer one: its dialect is told by it.
const KEPT: usize = 512;
/// More parts than any endpoint has.
const NOWHERE: &str = "/-/-/-/-/-/-/-/-/-/-/-/-";

/// Takes slashes that mean nothing out of a request's path, before its route is looked for. What actix-web has for this
/// runs a regular expression over every path. A path of Envoy's stays as it is: a slash that goes makes another segment
/// the requirements.
///
/// A path that is too long for every route is cut to one that leads nowhere: each route reads all of a part, and with
/// 60 KB they took longer together than a password hash.
pub(crate) fn tidy(request: &mut ServiceRequest) {
    let path = request.path();
    if path.len() > LONGEST && !is_below_envoy(path) {
        let kept = path.get(..path.floor_char_boundary(KEPT)).unwrap_or_default();
        let shorter: String = kept.split('/').filter(|part| !part.is_empty()).flat_map(|part| ["/", part]).collect();
        lead_to(request, shorter + NOWHERE);
        return;
    }
    if !has_empty_segment(path) && (path == "/" || !path.ends_with('/')) {
        return;
    }
    let mut tidied: String = path.split('/').filter(|part| !part.is_empty()).flat_map(|part| ["/", part]).collect();
    if tidied.is_empty() {
        tidied.push('/');
    }
    if is_below_envoy(path) || is_below_envoy(&tidied) {
        return;
    }
    if let Some(query) = request.uri().query() {
        tidied = format!("{tidied}?{query}");
    }
    lead_to(request, tidied);
}

/// Whether two slashes stand side by side. To look for a text in general takes ten times as long.
fn has_empty_segment(path: &str) -> bool {
    path.as_bytes().windows(2).any(|pair| pair == b"//")
}

fn lead_to(request: &mut ServiceRequest, target: String) {
    let mut parts = request.uri().clone().into_parts();
    let Ok(path_and_query) = PathAndQuery::try_from(target) else { return };
    parts.path_and_query = Some(path_and_query);
    let Ok(uri) = Uri::from_parts(parts) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn slashes_that_mean_nothing_go_and_all_else_stays() {
        for (written, meant) in [
            ("/", "/"),
            ("//", "/"),
            ("///?a=//", "/?a=//"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b"),
            ("//a///b//?c=/d/", "/a/b?c=/d/"),
            ("/a%2F/b%20c/?", "/a%2F/b%20c?"),
            ("/a?b//", "/a?b//"),
            ("/forward-auth/", "/forward-auth"),
            ("/forward-auth/envoy/", "/forward-auth/envoy/"),
            ("/forward-auth/envoy//-/x", "/forward-auth/envoy//-/x"),
            ("/forward-auth/envoy/staff=true//-/../", "/forward-auth/envoy/staff=true//-/../"),
            ("//forward-auth//envoy//-/x", "//forward-auth//envoy//-/x"),
        ] {
            let mut request = TestRequest::with_uri(written).to_srv_request();
            tidy(&mut request);
            assert_eq!(request.uri(), meant, "{written}");
            // What the routes see has its spaces unescaped.
            let seen = request.match_info().unprocessed().replace(' ', "%20");
            assert_eq!(seen, meant.split('?').next().unwrap(), "{written}");
        }
    }
    #[test]
    fn a_path_that_is_too_long_for_every_route_leads_nowhere() {
        let mut request = TestRequest::with_uri(&format!("/api//users/{}?a", "9".repeat(60_000))).to_srv_request();
        tidy(&mut request);
        let nowhere = format!("/api/users/{}{NOWHERE}", "9".repeat(KEPT - "/api//users/".len()));
        assert_eq!(request.uri(), nowhere.as_str());
        for stays in
            ["/".to_owned() + &"a".repeat(LONGEST - 1), format!("/forward-auth/envoy/-/{}", "a".repeat(60_000))]
        {
            let mut request = TestRequest::with_uri(&stays).to_srv_request();
            tidy(&mut request);
            assert_eq!(request.uri(), stays.as_str());
        }
    }
}
