//! Where browsers find the server, and what follows from that.

use thunderhead_http::site::public_url::PublicUrl;

use super::*;

fn at(file: &str) -> Option<String> {
    from_file(file).http.public_url.as_ref().map(PublicUrl::to_string)
}

#[test]
fn on_this_machine_the_public_url_is_known_and_elsewhere_it_must_be_said() {
    for (file, url) in [
        ("", Some("http://localhost:8000")),
        ("listen = '[::1]:80'", Some("http://localhost")),
        ("listen = 'localhost:9000'", Some("http://localhost:9000")),
        ("listen = '0.0.0.0:8000'", None),
        ("listen = 'unix:/run/x.sock'", None),
        // Who comes by a proxy does not come to localhost.
        ("trusted_proxies = ['127.0.0.1']", None),
        ("trusted_proxies = ['127.0.0.1']\npublic_url = 'https://Auth.example.org/'", Some("https://auth.example.org")),
        ("listen = '0.0.0.0:8000'\npublic_url = 'https://auth.example.org'", Some("https://auth.example.org")),
    ] {
        assert_eq!(at(file).as_deref(), url, "{file}");
        let config = from_file(file);
        assert_eq!((config.http.pages.is_some(), config.pages_lack_url), (url.is_some(), url.is_none()), "{file}");
        let off = from_file(&format!("{file}\n[pages]\nenabled = 'off'"));
        assert_eq!((off.http.pages.is_some(), off.pages_lack_url), (false, false), "{file}");
    }
}

#[test]
fn the_cookie_is_that_of_the_public_url() {
    let cookie = |file: &str| from_file(file).http.cookie;
    assert_eq!(cookie("public_url = 'https://auth.example.org'"), SessionCookie::Secure);
    assert_eq!(cookie("public_url = 'http://localhost:9000'"), SessionCookie::Plain);
    assert_eq!(cookie("trusted_proxies = ['127.0.0.1']"), SessionCookie::Secure);
    assert_eq!(cookie("trusted_proxies = ['127.0.0.1']\ninsecure_cookie = true"), SessionCookie::Plain);
    let both = problem("public_url = 'https://auth.example.org'\ninsecure_cookie = true");
    assert!(both.starts_with("`insecure_cookie` (thunderhead.toml): "), "{both}");
}

#[test]
fn security_keys_are_bound_to_the_host_of_the_public_url() {
    let party = |file: &str| from_file(file).relying_party;
    let public = party("public_url = 'https://auth.example.org'");
    assert_eq!(
        (public.id.as_str(), public.origins.as_slice()),
        ("auth.example.org", &["https://auth.example.org".to_owned()][..])
    );
    let own = party("public_url = 'https://auth.example.org'\nrelying_party.id = 'example.org'");
    assert_eq!(
        (own.id.as_str(), own.origins.as_slice()),
        ("example.org", &["https://auth.example.org".to_owned()][..])
    );
    assert_eq!(party("public_url = 'https://192.0.2.1'").id, "localhost");
}

#[test]
fn the_settings_of_pages_are_read() {
    let config = from_file(
        "redirect.origins = ['https://App.example', 'https://*.example.org']\n\
        [pages]\nstaff = 'off'\nname = 'Ada & Co.'\nlogo = 'logo.svg'\ncss = 'own.css'\n",
    );
    let site = config.http.pages.unwrap();
    assert_eq!((site.staff, site.name.as_str()), (false, "Ada & Co."));
    assert_eq!(site.redirects.texts().collect::<Vec<_>>(), ["https://app.example", "https://*.example.org"]);
    let files = ThemeFiles { logo: Some("logo.svg".into()), css: Some("own.css".into()) };
    assert_eq!(config.theme, files);
    for file in [
        "pages.enabled = 'maybe'",
        "pages.staff = 1",
        "pages.name = ''",
        "pages.logo = ''",
        "public_url = 'auth.example.org'",
        "public_url = 'https://auth.example.org/login'",
        "public_url = 'http://auth.example.org'",
        "redirect.origins = ['http://app.example']",
        "redirect.origins = ['https://*.org']",
        "redirect.origins = ['*']",
    ] {
        let key = file.split(' ').next().unwrap();
        let problem = problem(file);
        assert!(problem.starts_with(&format!("`{key}` (thunderhead.toml): ")), "{file}: {problem}");
    }
}

#[test]
fn the_relying_party_is_checked_as_a_whole_and_the_setting_at_fault_is_named() {
    let port = from_environment(&[("THUNDERHEAD_LISTEN", "[::1]:9001")]);
    assert_eq!(port.relying_party.origins, ["http://localhost:9001"]);
    for portless in ["0.0.0.0:80", "unix:/run/x.sock"] {
        assert_eq!(from_environment(&[("THUNDERHEAD_LISTEN", portless)]).relying_party.origins, ["http://localhost"]);
    }
    let environment = [
        ("THUNDERHEAD_RELYING_PARTY__ID", "example.com"),
        ("THUNDERHEAD_RELYING_PARTY__ORIGINS", "https://example.com,https://login.example.com"),
    ];
    assert_eq!(from_environment(&environment).relying_party.origins.len(), 2);
    for (file, start) in [
        ("id = 'Example.com'", "`relying_party.id` (thunderhead.toml): "),
        ("id = 1", "`relying_party.id` (thunderhead.toml): "),
        ("name = ''", "`relying_party.name` (thunderhead.toml): "),
        ("origins = []", "`relying_party.origins` (thunderhead.toml): "),
        ("origins = ['https://badlocalhost']", "`relying_party.origins` (thunderhead.toml): "),
        ("id = 'example.com'", "`relying_party.origins` (default): "),
        ("id = 'example.com'\norigins = ['http://example.com']", "`relying_party.origins` (thunderhead.toml): "),
    ] {
        let problem = problem(&format!("[relying_party]\n{file}\n"));
        assert!(problem.starts_with(start), "{problem}");
    }
}
