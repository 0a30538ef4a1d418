//! What proxies are told, and by which names.

use thunderhead_http::identity_headers::{IdentityHeader, IdentityHeaders};

use super::*;

#[test]
fn the_domain_of_passes_is_one_that_the_public_url_is_at_or_below() {
    let domain = |file: &str| from_file(file).http.pages.unwrap().pass_domain.map(|domain| domain.to_string());
    assert_eq!(domain("public_url = 'https://auth.example.org'"), None);
    for url in ["https://auth.example.org", "https://example.org:8443"] {
        let file = format!("public_url = '{url}'\nforward_auth.cookie_domain = 'Example.org'");
        assert_eq!(domain(&file).as_deref(), Some("example.org"), "{url}");
    }
    for file in [
        "forward_auth.cookie_domain = 'example.org'",
        "listen = '0.0.0.0:80'\nforward_auth.cookie_domain = 'example.org'",
        "public_url = 'http://localhost:8000'\nforward_auth.cookie_domain = 'example.org'",
        "public_url = 'https://auth.example.com'\nforward_auth.cookie_domain = 'example.org'",
        "public_url = 'https://auth.example.org'\nforward_auth.cookie_domain = 'org'",
        "public_url = 'https://auth.example.org'\nforward_auth.cookie_domain = '.example.org'",
        "public_url = 'https://192.0.2.1'\nforward_auth.cookie_domain = '192.0.2.1'",
        "public_url = 'https://auth.example.org'\nforward_auth.cookie_domain = 1",
    ] {
        let problem = problem(file);
        assert!(problem.starts_with("`forward_auth.cookie_domain` (thunderhead.toml): "), "{file}: {problem}");
    }
}

#[test]
fn each_header_that_tells_who_calls_has_a_name_of_its_own() {
    let default = IdentityHeader::ALL.map(|header| header.default_name().to_owned());
    assert_eq!(from_file("").http.forward_auth_headers, IdentityHeaders::new(&default).unwrap());
    let mut names = default;
    names[1] = "Remote-User".to_owned();
    let renamed = IdentityHeaders::new(&names).unwrap();
    let file = "[forward_auth.headers]\nuser_name = 'Remote-User'";
    assert_eq!(from_file(file).http.forward_auth_headers, renamed);
    let environment = [("THUNDERHEAD_FORWARD_AUTH__HEADERS__USER_NAME", "Remote-User")];
    assert_eq!(from_environment(&environment).http.forward_auth_headers, renamed);
    for (file, told) in [
        ("user_name = 'Remote User'", "not \"Remote User\""),
        ("user_name = 'Set-Cookie'", "not \"Set-Cookie\""),
        ("user_name = 'X-User-Id'", "another one is called X-User-Id too"),
        ("user_name = 1", "expected a text in quotes"),
    ] {
        let problem = problem(&format!("[forward_auth.headers]\n{file}"));
        assert!(problem.starts_with("`forward_auth.headers.user_name` (thunderhead.toml): "), "{problem}");
        assert!(problem.contains(told), "{problem}");
    }
}
