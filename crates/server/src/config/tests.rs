//! Every setting, every source, and every way of getting them wrong.

mod forward_auth;
mod pages;

use std::time::Duration;

use thunderhead_auth::credentials::password::HashCost;
use thunderhead_auth::settings::{Lifetimes, LoginErrors, Registration};
use thunderhead_auth::tokens::keys::EncryptionKeys;
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::policy::SessionPolicy;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_http::middleware::logged_requests::LoggedRequests;
use thunderhead_http::middleware::shield::FloodLimit;
use thunderhead_http::request::client_ip::TrustedProxies;
use thunderhead_http::request::cookie::SessionCookie;
use thunderhead_http::request::credential_order::CredentialOrder;
use thunderhead_http::request::origin::Origins;
use thunderhead_http::server::connections::Connections;

use super::read::{nonzero, processors};
use super::*;

fn sources(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &'static str, &str)]) -> Sources {
    Sources {
        file: Some(File { path: "thunderhead.toml".into(), text: file.to_owned() }),
        environment: environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        flags: flags.iter().map(|&(name, key, value)| Flag { name, key, value: value.to_owned() }).collect(),
    }
}

fn from_file(file: &str) -> Config {
    Config::load(&sources(file, &[], &[])).unwrap()
}

fn from_environment(environment: &[(&str, &str)]) -> Config {
    Config::load(&sources("", environment, &[])).unwrap()
}

fn problems(sources: &Sources) -> Vec<String> {
    Config::load(sources).unwrap_err().to_string().lines().map(str::to_owned).collect()
}

/// The one problem of a file.
fn problem(file: &str) -> String {
    let mut problems = problems(&sources(file, &[], &[]));
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

fn within(count: u32, seconds: u32) -> Limit {
    Limit::Within { count: nonzero(count), window_millis: nonzero(seconds * 1_000) }
}

#[test]
fn without_any_source_the_defaults_hold() {
    let config = Config::load(&Sources::default()).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("./data"));
    assert_eq!(config.database.url, DatabaseUrl::sqlite("./data/thunderhead.db"));
    assert_eq!(config.database.deadline, Duration::from_millis(1_500));
    assert!(config.migrate_on_start);
    assert!(matches!(config.encryption_key, KeySource::Unset));
    assert_eq!(config.issuer, "thunderhead");
    let origins = vec!["http://localhost:8000".to_owned()];
    let relying_party =
        RelyingParty { id: "localhost".to_owned(), name: "Thunderhead".to_owned(), origins, related_origins: vec![] };
    assert_eq!(config.relying_party, relying_party);
    assert_eq!(config.policy.login_errors, LoginErrors::Detailed);
    assert_eq!(config.policy.registration, Registration::Open);
    assert_eq!(config.policy.staff_factor, StaffFactor::Required);
    assert_eq!(config.http.cookie, SessionCookie::Plain);
    let lifetimes = Lifetimes {
        login: 86_400,
        login_remembered: 315_576_000,
        scoped: 86_400,
        scoped_long: 315_576_000,
        legacy: 2_592_000,
        kratos: 86_400,
        pages: 86_400,
        pages_remembered: 315_576_000,
    };
    assert_eq!(config.policy.lifetimes, lifetimes);
    assert_eq!(config.policy.sessions, SessionPolicy::default());
    let ninety_days = Keep::For(7_776_000);
    assert_eq!(config.retention, RetentionPeriods { sessions: ninety_days, audit: ninety_days });
    assert_eq!(config.hashing.cost, HashCost { memory_kib: 19_456, passes: 2, lanes: 1 });
    assert_eq!((config.hashing.threads, config.hashing.queue.get()), (processors(), 64));
    assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
    assert_eq!((config.http.base_path.as_str(), config.http.workers), ("/api", processors().get()));
    assert_eq!(config.http.connections, Connections::default());
    assert_eq!((config.http.drain, config.metrics_listen), (Duration::from_secs(1), None));
    assert_eq!(config.http.trusted_proxies, TrustedProxies::default());
    assert_eq!(config.http.origins, Origins::default());
    assert_eq!((config.http.general_limit, config.http.login_limit), (within(100, 60), within(3, 180)));
    assert_eq!(config.http.revocation_limit, within(30, 60));
    assert_eq!(config.flood_limit, FloodLimit::Leaky { per_second: nonzero(50), burst: nonzero(200) });
    assert_eq!((config.log.as_str(), config.log_format, config.http.log_clients), ("info", LogFormat::Auto, true));
    assert_eq!(config.http.log_requests, LoggedRequests::ChangesAndFailures);
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let file = "listen = '127.0.0.1:1'\nissuer = 'file'\n[limits]\nlogin = '1/1m'\ngeneral = '1/1m'\n";
    let environment = [("THUNDERHEAD_LISTEN", "127.0.0.1:2"), ("THUNDERHEAD_LIMITS__LOGIN", "2/1m")];
    let config = Config::load(&sources(file, &environment, &[("--listen", "listen", "127.0.0.1:3")])).unwrap();
    assert_eq!(config.listen.port(), Some(3));
    assert_eq!((config.http.login_limit, config.http.general_limit), (within(2, 60), within(1, 60)));
    assert_eq!(config.issuer, "file");
}

#[test]
fn every_setting_can_be_in_the_file() {
    let config = from_file(
        "data_dir = 'd'\ndatabase_url = 'postgres://db.example/x'\nmigrate_on_start = false\nissuer = 'me'\n\
        encryption_key_file = 'k'\nlog = 'debug'\nlog_format = 'json'\nlog_clients = false\nlog_requests = 'all'\nmetrics_listen = '[::1]:9'\nlisten = '[::1]:0'\nbase_path = '/v1/api'\n\
        trusted_proxies = ['10.0.0.0/8', '::1']\ncors_origins = ['https://a.example']\nlogin_errors = 'uniform'\n\
        registration = 'closed'\ninsecure_cookie = true\n\
        tokens.audience = ['uploads', 'https://b.example']\n\
        [relying_party]\nid = 'a.example'\nname = 'A'\norigins = ['https://a.example', 'https://b.a.example']\nrelated_origins = ['https://c.example']\n\
        [limits]\ngeneral = 'off'\nlogin = '5/90s'\nflood = '1/s+2'\n\
        [lifetimes]\nlogin = 60\nlogin_remembered = '1w'\nscoped = '15m'\nscoped_long = '1y'\nlegacy = '2d'\nkratos = '3h'\npages = '4h'\npages_remembered = '5d'\n\
        [policy]\nmax_sessions = 11\nmax_tokens = 12\n\
        [retention]\nsessions = '1d'\naudit = 'off'\n\
        [hashing]\nmemory_kib = 8\npasses = 1\nlanes = 1\nthreads = 3\nqueue = 5\n\
        [database]\ndeadline_ms = 100\nconnections = 7\nqueue = 9\nprepared_statements = 'off'\n\
        migrate_url = 'postgres://ddl@db.example/x'\n\
        [http]\nworkers = 2\nmax_connections = 3\nmax_connections_per_client = 2\nbacklog = 4\nhead_timeout_ms = 5\nkeep_alive_ms = 6\ndrain_ms = 7\n",
    );
    assert_eq!(config.data_dir, PathBuf::from("d"));
    assert_eq!(config.database.url, "postgres://db.example/x".parse().unwrap());
    assert_eq!((config.database.deadline.as_millis(), config.database.connections, config.database.queue), (100, 7, 9));
    assert!(!config.database.prepared_statements);
    assert_eq!(config.migrate_url, Some("postgres://ddl@db.example/x".parse().unwrap()));
    assert!(!config.migrate_on_start);
    assert!(matches!(config.encryption_key, KeySource::File(path) if path == *"k"));
    assert_eq!((config.issuer.as_str(), config.log.as_str()), ("me", "debug"));
    assert_eq!(config.audience.names(), ["uploads", "https://b.example"]);
    assert_eq!((config.log_format, config.http.log_clients), (LogFormat::Json, false));
    assert_eq!(config.http.log_requests, LoggedRequests::All);
    assert_eq!((config.listen.to_string().as_str(), config.http.base_path.as_str()), ("[::1]:0", "/v1/api"));
    let networks = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
    assert_eq!(config.http.trusted_proxies, TrustedProxies::new(networks.into()));
    assert_eq!(config.http.origins, Origins::new(vec!["https://a.example".to_owned()]).unwrap());
    let origins = ["https://a.example", "https://b.a.example"].map(str::to_owned).into();
    let related_origins = vec!["https://c.example".to_owned()];
    assert_eq!(
        config.relying_party,
        RelyingParty { id: "a.example".to_owned(), name: "A".to_owned(), origins, related_origins }
    );
    assert_eq!(config.policy.login_errors, LoginErrors::Uniform);
    assert_eq!(config.policy.registration, Registration::Closed);
    assert_eq!(config.http.cookie, SessionCookie::Plain);
    assert_eq!((config.http.general_limit, config.http.login_limit), (Limit::Off, within(5, 90)));
    assert_eq!(config.flood_limit, FloodLimit::Leaky { per_second: nonzero(1), burst: nonzero(2) });
    let lifetimes = Lifetimes {
        login: 60,
        login_remembered: 604_800,
        scoped: 900,
        scoped_long: 31_557_600,
        legacy: 172_800,
        kratos: 10_800,
        pages: 14_400,
        pages_remembered: 432_000,
    };
    assert_eq!(config.policy.lifetimes, lifetimes);
    let limits = config.policy.sessions.users;
    assert_eq!((limits.max_sessions, limits.max_tokens), (11, 12));
    assert_eq!(config.retention, RetentionPeriods { sessions: Keep::For(86_400), audit: Keep::Forever });
    assert_eq!(config.hashing.cost, HashCost { memory_kib: 8, passes: 1, lanes: 1 });
    let (head_deadline, keep_alive) = (Duration::from_millis(5), Duration::from_millis(6));
    assert_eq!(
        config.http.connections,
        Connections { most: 3, most_of_client: 2, backlog: 4, head_deadline, keep_alive }
    );
    assert_eq!(config.http.drain, Duration::from_millis(7));
    assert_eq!(config.metrics_listen, Some("[::1]:9".parse().unwrap()));
    assert_eq!((config.hashing.threads.get(), config.hashing.queue.get(), config.http.workers), (3, 5, 2));
}

#[test]
fn the_environment_speaks_text_whatever_it_looks_like() {
    let key = "1".repeat(64);
    let config = from_environment(&[
        ("THUNDERHEAD_ENCRYPTION_KEY", &key),
        ("THUNDERHEAD_ISSUER", "42"),
        ("THUNDERHEAD_MIGRATE_ON_START", "false"),
        ("THUNDERHEAD_HASHING__PASSES", "3"),
        ("THUNDERHEAD_LIFETIMES__LOGIN", "60"),
        ("THUNDERHEAD_LIMITS__GENERAL", "off"),
        ("THUNDERHEAD_TEST_POSTGRES", "for the tests alone"),
        ("THUNDERHEADED", "somebody else's"),
    ]);
    let KeySource::Given(given) = config.encryption_key else { panic!("no key") };
    assert_eq!(given, EncryptionKeys::parse(&key).unwrap());
    assert_eq!(config.issuer, "42");
    assert!(!config.migrate_on_start);
    assert_eq!((config.hashing.cost.passes, config.policy.lifetimes.login), (3, 60));
    assert_eq!(config.http.general_limit, Limit::Off);
}

#[test]
fn lists_in_the_environment_are_separated_by_commas_with_or_without_brackets() {
    let expected = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap(), "192.0.2.1/32".parse().unwrap()]);
    for text in ["10.0.0.0/8,192.0.2.1", " 10.0.0.0/8 , 192.0.2.1, ", "[\"10.0.0.0/8\", \"192.0.2.1\"]"] {
        let config = from_environment(&[("THUNDERHEAD_TRUSTED_PROXIES", text)]);
        assert_eq!(config.http.trusted_proxies, expected, "{text}");
    }
    let config = from_environment(&[("THUNDERHEAD_TRUSTED_PROXIES", "")]);
    assert_eq!(config.http.trusted_proxies, TrustedProxies::default());
}

#[test]
fn the_places_of_credentials_keep_their_order_and_unknown_ones_are_told_the_possible_ones() {
    assert_eq!(from_file("").http.forward_auth_credentials, CredentialOrder::default());
    let order = CredentialOrder::new(&["cookie".to_owned(), "token".to_owned()]).unwrap();
    assert_eq!(from_file("forward_auth.credentials = ['cookie', 'token']").http.forward_auth_credentials, order);
    let environment = [("THUNDERHEAD_FORWARD_AUTH__CREDENTIALS", "cookie, token")];
    assert_eq!(from_environment(&environment).http.forward_auth_credentials, order);
    let unknown = problem("forward_auth.credentials = ['token', 'header']");
    assert!(unknown.ends_with("expected some of authorization, token, cookie and pass, not \"header\""), "{unknown}");
}

#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    let (_, settings) = Config::load_and_show(&Sources::default()).unwrap();
    let variables: Vec<String> = settings.iter().map(Setting::variable).collect();
    let empty: Vec<(&str, &str)> = variables.iter().map(|name| (name.as_str(), "")).collect();
    let (_, shown) = Config::load_and_show(&sources("listen = '127.0.0.1:1'", &empty, &[])).unwrap();
    let listen = shown.iter().find(|setting| setting.key == "listen").unwrap();
    assert_eq!(
        (listen.value.as_deref(), &listen.origin),
        (Some("127.0.0.1:1"), &ValueSource::File("thunderhead.toml".into()))
    );
    let is_unset = |setting: &Setting| matches!(setting.origin, ValueSource::Default | ValueSource::Build);
    assert!(shown.iter().all(|setting| setting.key == "listen" || is_unset(setting)));
}

#[test]
fn what_kubernetes_sets_for_a_service_is_passed_over() {
    let config = from_environment(&[
        ("THUNDERHEAD_PORT", "tcp://10.96.0.7:8000"),
        ("THUNDERHEAD_SERVICE_HOST", "10.96.0.7"),
        ("THUNDERHEAD_PORT_8000_TCP_ADDR", "10.96.0.7"),
        ("THUNDERHEAD_ISSUER", "me"),
    ]);
    assert_eq!(config.issuer, "me");
    assert_eq!(config.passed_over, ["THUNDERHEAD_PORT", "THUNDERHEAD_SERVICE_HOST", "THUNDERHEAD_PORT_8000_TCP_ADDR"]);
    let found = problems(&sources("", &[("THUNDERHEAD_PORT", "8000")], &[]));
    assert!(found[0].ends_with(": unknown setting"), "{found:?}");
}

#[test]
fn a_problem_names_the_key_and_where_it_came_from() {
    assert!(problem("listen = 'x'").starts_with("`listen` (thunderhead.toml): expected an IP address and a port"));
    let environment = problems(&sources("listen = '127.0.0.1:1'", &[("THUNDERHEAD_LISTEN", "x")], &[]));
    assert!(environment[0].starts_with("`listen` (environment variable THUNDERHEAD_LISTEN): "), "{environment:?}");
    let flag = problems(&sources("", &[("THUNDERHEAD_LISTEN", "x")], &[("--listen", "listen", "y")]));
    assert!(flag[0].starts_with("`listen` (--listen): ") && flag[0].ends_with("not \"y\""), "{flag:?}");
}

#[test]
fn all_problems_are_told_at_once_a_line_each() {
    let file = "log = 1\n[limits]\nlogin = 'x'\n";
    let found = problems(&sources(file, &[("THUNDERHEAD_BASE_PATH", "api"), ("THUNDERHEAD_NO_SUCH", "1")], &[]));
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn unknown_keys_are_problems_wherever_they_are() {
    assert_eq!(problem("lissen = 'x'"), "`lissen` (thunderhead.toml): unknown setting");
    assert_eq!(problem("[limits]\nlogins = 'off'"), "`limits.logins` (thunderhead.toml): unknown setting");
    assert_eq!(problem("[limit]\nlogin = 'off'"), "`limit.login` (thunderhead.toml): unknown setting");
    assert_eq!(problem("[nothing]"), "`nothing` (thunderhead.toml): unknown setting");
    assert!(problem("limits = 'off'").contains("`limits` (thunderhead.toml): this is a section"));
    assert_eq!(from_file("[limits]").http.general_limit, within(100, 60));
    for name in ["THUNDERHEAD_NOTHING", "THUNDERHEAD_LIMITS__NOTHING", "THUNDERHEAD_LIMITS__", "THUNDERHEAD_"] {
        let found = problems(&sources("", &[(name, "secret")], &[]));
        assert!(found[0].contains(&format!("environment variable {name}")), "{found:?}");
        assert!(found[0].ends_with(": unknown setting"), "{found:?}");
    }
}

#[test]
fn impossible_values_are_problems() {
    for file in [
        "data_dir = ''",
        "database_url = 'mysql://x'",
        "database_url = 'x'",
        "database_url = 1",
        "listen = '127.0.0.1'",
        "listen = 8000",
        "listen = 'localhost'",
        "listen = 'unix:'",
        "listen = ['127.0.0.1:1']",
        "[listen]\nport = 1",
        "base_path = ''",
        "base_path = '/'",
        "base_path = 'api'",
        "base_path = '/api/'",
        "base_path = '/{x}'",
        "base_path = '/../x'",
        "base_path = '/health'",
        "base_path = '/auth'",
        "base_path = '/auth/x'",
        "base_path = '/introspect'",
        "base_path = '/forward-auth'",
        "base_path = '/login/api'",
        "base_path = '/.well-known'",
        "issuer = ''",
        "tokens.audience = ['a', '']",
        "tokens.audience = [1]",
        "issuer = \"a\\n\"",
        "trusted_proxies = ['10.0.0.0/33']",
        "trusted_proxies = ['proxy']",
        "trusted_proxies = [1]",
        "trusted_proxies = 1",
        "cors_origins = ['https://a.example/x']",
        "cors_origins = ['*']",
        "cors_origins = ['a.example']",
        "forward_auth.credentials = []",
        "forward_auth.credentials = ['token', 'token']",
        "forward_auth.credentials = ['Authorization']",
        "forward_auth.credentials = 1",
        "login_errors = 'vague'",
        "login_errors = true",
        "registration = 'ajar'",
        "encryption_key = 'short'",
        "encryption_key_file = ''",
        "migrate_on_start = 'yes'",
        "migrate_on_start = 1",
        "insecure_cookie = 'TRUE'",
        "log = 'a=b=c'",
        "log = 3",
        "limits.general = 'none'",
        "limits.general = '0/1m'",
        "limits.general = '5/0m'",
        "limits.general = '5/1'",
        "limits.general = '5/1d'",
        "limits.general = '5/m'",
        "limits.general = '-5/1m'",
        "limits.general = '+5/1m'",
        "limits.general = '5/2000h'",
        "limits.login = 3",
        "limits.flood = '50/s'",
        "limits.flood = '0/s+1'",
        "limits.flood = '50/m+200'",
        "limits.flood = '50/s+0'",
        "lifetimes.login = '0s'",
        "lifetimes.login = '1x'",
        "lifetimes.login = 'h'",
        "lifetimes.login = '1.5h'",
        "lifetimes.login = -1",
        "lifetimes.login = 1.5",
        "lifetimes.login = '101y'",
        "lifetimes.login = '99999999999999999999y'",
        "lifetimes.kratos = ''",
        "lifetimes.legacy = ' 1h'",
        "retention.sessions = '0s'",
        "retention.audit = 'never'",
        "retention.audit = false",
        "hashing.memory_kib = 7",
        "hashing.passes = 0",
        "hashing.lanes = 0",
        "hashing.memory_kib = 99999999999",
        "hashing.threads = 0",
        "hashing.queue = 0",
        "hashing.lanes = ' '",
        "database.deadline_ms = 0",
        "database.connections = 0",
        "database.queue = 0",
        "database.prepared_statements = 'sometimes'",
        "database.migrate_url = 'postgres://db/x'",
        "http.workers = 0",
        "http.max_connections = 0",
        "http.max_connections_per_client = 0",
        "http.backlog = 65536",
        "http.head_timeout_ms = 0",
        "http.drain_ms = -1",
        "metrics_listen = '9090'",
        "http.workers = 1.0",
    ] {
        let key = file.trim_start_matches('[').split([' ', ']']).next().unwrap();
        let problem = problem(file);
        assert!(problem.starts_with(&format!("`{key}` (thunderhead.toml): ")), "{file}: {problem}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_problems() {
    let key = "ab".repeat(32);
    let both = problem(&format!("encryption_key = '{key}'\nencryption_key_file = 'x'"));
    assert!(both.starts_with("`encryption_key` (thunderhead.toml): "), "{both}");
    let lanes = problem("hashing.lanes = 4\nhashing.memory_kib = 31");
    assert!(lanes.starts_with("`hashing.lanes` "), "{lanes}");
    for listen in ["0.0.0.0:8000", "auth.example:8000", "unix:/run/x.sock"] {
        let exempt = problem(&format!("insecure_cookie = true\nlisten = '{listen}'"));
        assert!(exempt.starts_with("`insecure_cookie` "), "{exempt}");
    }
    assert_eq!(from_file("insecure_cookie = true\nlisten = 'localhost:8000'").http.cookie, SessionCookie::Plain);
}

#[test]
fn a_file_that_is_not_toml_is_one_line_without_its_content() {
    let broken = problem("issuer = 'x'\nencryption_key = s3cret-s3cret\n");
    assert!(broken.starts_with("thunderhead.toml: TOML parse error at line 2"), "{broken}");
    assert!(!broken.contains("s3cret"), "{broken}");
}

#[test]
fn secrets_show_neither_in_problems_nor_in_debug() {
    let secrets = "database_url = 'postgres//ada:s3cret@db/x'\nencryption_key = 's3cret'\n";
    let shown = problems(&sources(secrets, &[], &[])).join("\n");
    assert!(!shown.contains("s3cret"), "{shown}");
    let key = "ab".repeat(32);
    let config = from_file(&format!("database_url = 'postgres://ada:s3cret@db/x'\nencryption_key = '{key}'\n"));
    let shown = format!("{config:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("abab"), "{shown}");
}

#[test]
fn every_setting_is_shown_in_a_form_that_sets_it_again() {
    let file = "trusted_proxies = ['10.0.0.0/8', '::1']\ncors_origins = ['https://a.example']\nlimits.login = '5/90s'\n\
        retention.audit = 'off'\nlimits.flood = 'off'\n";
    let environment = [("THUNDERHEAD_LIFETIMES__LOGIN", "3600")];
    let (_, shown) = Config::load_and_show(&sources(file, &environment, &[("--listen", "listen", "[::1]:1")])).unwrap();
    let of = |key| shown.iter().find(|setting| setting.key == key).unwrap();
    let value = |key| of(key).value.as_deref().unwrap();
    assert_eq!((value("trusted_proxies"), value("cors_origins")), ("10.0.0.0/8,::1/128", "https://a.example"));
    assert_eq!((value("limits.login"), value("limits.general"), value("limits.flood")), ("5/90s", "100/1m", "off"));
    assert_eq!((value("retention.audit"), value("lifetimes.login")), ("off", "1h"));
    assert_eq!(of("trusted_proxies").origin, ValueSource::File("thunderhead.toml".to_owned()));
    assert_eq!(of("lifetimes.login").origin, ValueSource::Variable("THUNDERHEAD_LIFETIMES__LOGIN".to_owned()));
    assert_eq!(
        (of("listen").origin.clone(), of("issuer").origin.clone()),
        (ValueSource::Flag("--listen"), ValueSource::Default)
    );
    assert_eq!(of("lifetimes.login").variable(), "THUNDERHEAD_LIFETIMES__LOGIN");
    let again: Vec<(String, String)> =
        shown.iter().filter_map(|setting| Some((setting.variable(), setting.value.clone()?))).collect();
    let again: Vec<(&str, &str)> = again.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (_, shown_again) = Config::load_and_show(&sources("", &again, &[])).unwrap();
    let values = |shown: &[Setting]| shown.iter().map(|setting| setting.value.clone()).collect::<Vec<_>>();
    assert_eq!(values(&shown), values(&shown_again));
}

#[test]
fn a_setting_is_shown_without_its_secret() {
    let key = "ab".repeat(32);
    let file = format!("database_url = 'postgres://ada:s3cret@db/x?password=s3cret'\nencryption_key = '{key}'\n");
    let (_, shown) = Config::load_and_show(&sources(&file, &[], &[])).unwrap();
    let text = format!("{shown:?}");
    assert!(!text.contains("s3cret") && !text.contains("abab"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf_8_is_a_problem() {
    use std::os::unix::ffi::OsStringExt;
    let mut sources = sources("", &[], &[]);
    sources.environment.push(("THUNDERHEAD_ISSUER".into(), std::ffi::OsString::from_vec(vec![0xFF])));
    assert!(problems(&sources)[0].contains("THUNDERHEAD_ISSUER): the value is not UTF-8"));
}

/// The rows of the table in the documentation: key and default.
fn documented() -> Vec<(&'static str, &'static str)> {
    let page = include_str!("../../../../docs/CONFIGURATION.md");
    let cells = |line: &'static str| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        Some((cells.next()?.trim_end_matches('`'), cells.next()?))
    };
    page.lines().filter_map(cells).collect()
}

#[test]
fn the_documentation_lists_every_setting_once_with_its_default() {
    let (_, settings) = Config::load_and_show(&Sources::default()).unwrap();
    let documented = documented();
    for Setting { key, value, .. } in &settings {
        let rows: Vec<_> = documented.iter().filter(|(documented, _)| documented == key).collect();
        let [(_, default)] = rows.as_slice() else {
            panic!("docs/CONFIGURATION.md: write one row for `{key}`, there are {}", rows.len())
        };
        if let Some(fixed) = default.strip_prefix('`').and_then(|default| default.strip_suffix('`')) {
            assert_eq!(value.as_deref(), Some(fixed), "docs/CONFIGURATION.md: the default of `{key}`");
        }
    }
    for (key, _) in documented {
        let is_setting = settings.iter().any(|setting| setting.key == key);
        assert!(is_setting, "docs/CONFIGURATION.md: `{key}` is no setting, see config/read.rs");
    }
}
