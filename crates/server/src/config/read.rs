//! Every setting by its key. A new one is a line here, its field, and a row in `docs/CONFIGURATION.md`.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use ipnet::IpNet;
use thunderhead_auth::credentials::password::HashCost;
use thunderhead_auth::credentials::webauthn::{RelyingParty, SecurityKeys};
use thunderhead_auth::settings::{CacheSettings, Lifetimes, LoginErrors, Policy, Registration};
use thunderhead_auth::tokens::audience::Audience;
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_http::HttpSettings;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_http::identity_headers::{IdentityHeader, IdentityHeaders};
use thunderhead_http::middleware::logged_requests::LoggedRequests;
use thunderhead_http::middleware::shield::FloodLimit;
use thunderhead_http::request::client_ip::TrustedProxies;
use thunderhead_http::request::cookie::SessionCookie;
use thunderhead_http::request::credential_order::CredentialOrder;
use thunderhead_http::server::connections::Connections;
use thunderhead_http::server::listen::Place;
use thunderhead_http::site::PageSettings;
use thunderhead_http::site::cookie_domain::CookieDomain;
use thunderhead_http::site::public_url::PublicUrl;
use thunderhead_http::site::redirect_origins::RedirectOrigins;
use thunderhead_storage::{DatabaseUrl, StorageSettings};

use super::layers::Reader;
use super::sections::{Hashing, Keep, KeySource, LogFormat, RetentionPeriods, ThemeFiles, TraceSettings};
use super::session_policy::session_policy;
use super::show::{AllowedOrigins, OnOff, Seconds, Texts};
use super::units::{DAY, HOUR, MINUTE, YEAR};
use super::{Config, KEY_FILE, values};

/// The name of the database file in the data directory.
const DATABASE_FILE: &str = "thunderhead.db";
/// How long an attempt waits, for its turn at an account and for a thread: with all that is done before and after, nobody
/// waits longer than two seconds to be refused.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Every setting: its key, its default, and what it may be.
pub(super) fn config(reader: &mut Reader) -> Config {
    let data_dir = reader.read("data_dir", PathBuf::from("./data"), values::path);
    let database = database(reader, data_dir.join(DATABASE_FILE));
    let is_file = database.url.sqlite_path().is_some();
    let migrate_url = migrate_url(reader, is_file);
    let listen = reader.read("listen", Place::Address(SocketAddr::from(([127, 0, 0, 1], 8_000))), values::place);
    let trusted_proxies = reader.read("trusted_proxies", vec![], values::networks);
    let public_url = public_url(reader, &listen, !trusted_proxies.is_empty());
    let (pages, theme, pages_lack_url) = pages(reader, public_url.as_ref());
    Config {
        pages_lack_url,
        migrate_on_start: reader.read("migrate_on_start", true, values::boolean),
        encryption_key: key_source(reader, is_file.then(|| data_dir.join(KEY_FILE))),
        issuer: reader.read("issuer", "thunderhead".to_owned(), values::issuer),
        audience: reader.read("tokens.audience", Audience::default(), values::audience),
        relying_party: relying_party(reader, &listen, public_url.as_ref()),
        cache_settings: cache(reader, database.deadline),
        policy: policy(reader),
        retention: retention(reader),
        hashing: hashing(reader),
        metrics_listen: reader.read_optional("metrics_listen", values::address),
        log: reader.read("log", "info".to_owned(), values::log_filter),
        log_format: reader.read("log_format", LogFormat::Auto, values::one_of),
        traces: traces(reader, cfg!(feature = "otlp")),
        flood_limit: flood_limit(reader, cfg!(feature = "flood")),
        http: http(reader, &listen, trusted_proxies, public_url, pages),
        theme,
        passed_over: reader.passed_over(),
        data_dir,
        database,
        migrate_url,
        listen,
    }
}

fn key_source(reader: &mut Reader, default_file: Option<PathBuf>) -> KeySource {
    let given = reader.read_optional("encryption_key", values::encryption_keys);
    let file = reader.read_optional("encryption_key_file", values::path);
    match (given, file) {
        (Some(_), Some(_)) => {
            reader.refuse("encryption_key", "`encryption_key_file` is set too: set one of the two");
            KeySource::Unset
        }
        (Some(keys), None) => KeySource::Given(keys),
        (None, Some(path)) => KeySource::File(path),
        (None, None) => {
            if let Some(path) = default_file {
                reader.stands_in("encryption_key_file", path.display().to_string());
            }
            KeySource::Unset
        }
    }
}

fn retention(reader: &mut Reader) -> RetentionPeriods {
    RetentionPeriods {
        sessions: reader.read("retention.sessions", Keep::For(90 * DAY), values::keep),
        audit: reader.read("retention.audit", Keep::For(90 * DAY), values::keep),
    }
}

fn hashing(reader: &mut Reader) -> Hashing {
    // OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one pool. The bounds keep a
    // slip of the finger from making logins impossible.
    let memory_kib = reader.read("hashing.memory_kib", 19_456, values::within(8, HashCost::MOST.memory_kib));
    let passes = reader.read("hashing.passes", 2, values::within(1, HashCost::MOST.passes));
    let lanes = reader.read("hashing.lanes", 1, values::within(1, HashCost::MOST.lanes));
    if memory_kib < 8 * lanes {
        reader.refuse("hashing.lanes", "each lane needs 8 KiB of `hashing.memory_kib`");
    }
    Hashing {
        cost: HashCost { memory_kib, passes, lanes },
        threads: reader.read("hashing.threads", processors(), values::threads),
        queue: reader.read("hashing.queue", NonZeroUsize::MIN.saturating_add(63), values::queue),
    }
}

/// The limit of a program that was built with the shield, or without it.
fn flood_limit(reader: &mut Reader, has_shield: bool) -> FloodLimit {
    const KEY: &str = "limits.flood";
    if has_shield {
        return reader.read(KEY, FloodLimit::Leaky { per_second: nonzero(50), burst: nonzero(200) }, values::flood);
    }
    let limit = reader.read(KEY, FloodLimit::Off, values::flood);
    if limit != FloodLimit::Off {
        reader.refuse(KEY, "this program was built without the shield against floods: only off is possible");
    }
    reader.comes_of_the_build(KEY);
    limit
}

/// Where traces go, in a program that was built with their export, or without it.
fn traces(reader: &mut Reader, has_export: bool) -> Option<TraceSettings> {
    const KEY: &str = "otlp.endpoint";
    let endpoint = reader.read_optional(KEY, values::collector);
    let one_in = reader.read("otlp.one_in", 1, values::within(1, 1_000_000));
    if !has_export {
        if endpoint.is_some() {
            reader.refuse(KEY, "this program was built without the export of traces (feature `otlp`)");
        }
        reader.comes_of_the_build(KEY);
        reader.comes_of_the_build("otlp.one_in");
    }
    endpoint.map(|endpoint| TraceSettings { endpoint, one_in })
}

/// Where browsers find the server. On this very machine that is known, unless proxies come from elsewhere.
fn public_url(reader: &mut Reader, listen: &Place, is_behind_proxies: bool) -> Option<PublicUrl> {
    const KEY: &str = "public_url";
    if let Some(given) = reader.read_optional(KEY, values::public_url) {
        return Some(given);
    }
    let port = listen.port().filter(|_| listen.is_loopback() && !is_behind_proxies)?;
    let here = PublicUrl::localhost(port)?;
    reader.stands_in(KEY, here.to_string());
    Some(here)
}

/// The pages, the files that change how they look, and whether there are none because nobody knows where browsers would
/// find them.
fn pages(reader: &mut Reader, public_url: Option<&PublicUrl>) -> (Option<PageSettings>, ThemeFiles, bool) {
    let is_on = reader.read("pages.enabled", OnOff(true), values::on_off).0;
    let staff = reader.read("pages.staff", OnOff(true), values::on_off).0;
    let name = reader.read("pages.name", "Thunderhead".to_owned(), values::site_name);
    let theme = ThemeFiles {
        logo: reader.read_optional("pages.logo", values::path),
        css: reader.read_optional("pages.css", values::path),
    };
    let redirects = reader.read("redirect.origins", RedirectOrigins::default(), values::redirect_origins);
    let pass_domain = pass_domain(reader, public_url);
    let (logo, css) = (None, None);
    let at = |public_url: &PublicUrl| PageSettings {
        public_url: public_url.clone(),
        staff,
        redirects,
        pass_domain,
        name,
        logo,
        css,
    };
    (public_url.filter(|_| is_on).map(at), theme, is_on && public_url.is_none())
}

/// The domain whose applications browsers show a pass.
fn pass_domain(reader: &mut Reader, public_url: Option<&PublicUrl>) -> Option<CookieDomain> {
    const KEY: &str = "forward_auth.cookie_domain";
    let domain = reader.read_optional(KEY, values::cookie_domain)?;
    if !public_url.is_some_and(|url| domain.can_be_set_by(url)) {
        reader.refuse(KEY, &format!("`public_url` must be https at {domain} or below it"));
    }
    Some(domain)
}

fn http(
    reader: &mut Reader,
    listen: &Place,
    trusted_proxies: Vec<IpNet>,
    public_url: Option<PublicUrl>,
    pages: Option<PageSettings>,
) -> HttpSettings {
    let limit = |count, seconds: u32| Limit::Within { count: nonzero(count), window_millis: nonzero(seconds * 1_000) };
    let proxies = TrustedProxies::new(trusted_proxies);
    let is_unix = matches!(listen, Place::Unix(_));
    HttpSettings {
        base_path: reader.read("base_path", "/api".to_owned(), values::base_path),
        general_limit: reader.read("limits.general", limit(100, 60), values::limit),
        login_limit: reader.read("limits.login", limit(3, 180), values::limit),
        revocation_limit: reader.read("limits.revocation", limit(30, 60), values::limit),
        trusted_proxies: if is_unix { proxies.and_unix_peers() } else { proxies },
        origins: reader.read("cors_origins", AllowedOrigins::default(), values::origins).origins,
        cookie: cookie(reader, listen, public_url.as_ref()),
        public_url,
        pages,
        forward_auth_credentials: reader.read(
            "forward_auth.credentials",
            CredentialOrder::default(),
            values::credential_order,
        ),
        forward_auth_headers: identity_headers(reader),
        log_requests: reader.read("log_requests", LoggedRequests::ChangesAndFailures, values::one_of),
        log_clients: reader.read("log_clients", true, values::boolean),
        workers: reader.read("http.workers", processors(), values::threads).get(),
        connections: connections(reader),
        ready_needs_writes: reader.read("health.ready_needs_writes", false, values::boolean),
        // Long enough for a load balancer that asks every second; short enough for who stops it by hand.
        drain: Duration::from_millis(reader.read("http.drain_ms", 1_000, values::within(0, 600_000)).into()),
    }
}

fn identity_headers(reader: &mut Reader) -> IdentityHeaders {
    let names = IdentityHeader::ALL
        .map(|header| reader.read(identity_header_key(header), header.default_name().to_owned(), values::any_text));
    IdentityHeaders::new(&names).unwrap_or_else(|(header, invalid)| {
        reader.refuse(identity_header_key(header), &invalid.to_string());
        IdentityHeaders::default()
    })
}

const fn identity_header_key(header: IdentityHeader) -> &'static str {
    match header {
        IdentityHeader::UserId => "forward_auth.headers.user_id",
        IdentityHeader::UserName => "forward_auth.headers.user_name",
        IdentityHeader::UserStaff => "forward_auth.headers.user_staff",
        IdentityHeader::SessionId => "forward_auth.headers.session_id",
        IdentityHeader::SessionScopes => "forward_auth.headers.session_scopes",
        IdentityHeader::AuthTime => "forward_auth.headers.auth_time",
        IdentityHeader::AuthMethods => "forward_auth.headers.auth_methods",
        IdentityHeader::AuthLevel => "forward_auth.headers.auth_level",
    }
}

fn connections(reader: &mut Reader) -> Connections {
    let defaults = Connections::default();
    let millis = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    let mut time =
        |key, default| Duration::from_millis(reader.read(key, millis(default), values::within(1, 3_600_000)).into());
    let head_deadline = time("http.head_timeout_ms", defaults.head_deadline);
    let keep_alive = time("http.keep_alive_ms", defaults.keep_alive);
    let backlog = reader.read("http.backlog", defaults.backlog.into(), values::within(1, u16::MAX.into()));
    Connections {
        most: reader.read("http.max_connections", defaults.most, values::within(1, 1_000_000)),
        most_of_client: reader.read(
            "http.max_connections_per_client",
            defaults.most_of_client,
            values::within(1, 1_000_000),
        ),
        backlog: u16::try_from(backlog).unwrap_or(u16::MAX),
        head_deadline,
        keep_alive,
    }
}

fn database(reader: &mut Reader, default_file: PathBuf) -> StorageSettings {
    let url = reader.read("database_url", DatabaseUrl::sqlite(default_file), values::database_url);
    let defaults = StorageSettings::new(url.clone());
    let queue = NonZeroUsize::new(defaults.queue).unwrap_or(NonZeroUsize::MIN);
    let deadline = u32::try_from(defaults.deadline.as_millis()).unwrap_or(u32::MAX);
    let deadline = reader.read("database.deadline_ms", deadline, values::within(1, 600_000));
    StorageSettings {
        url,
        deadline: Duration::from_millis(deadline.into()),
        connections: reader.read("database.connections", defaults.connections, values::within(1, 10_000)),
        queue: reader.read("database.queue", queue, values::queue).get(),
        prepared_statements: reader.read("database.prepared_statements", OnOff(true), values::on_off).0,
        ..defaults
    }
}

fn migrate_url(reader: &mut Reader, is_file: bool) -> Option<DatabaseUrl> {
    let url = reader.read_optional("database.migrate_url", values::database_url);
    if let Some(url) = &url
        && (is_file || url.sqlite_path().is_some())
    {
        reader.refuse("database.migrate_url", "it is another way to a Postgres database; a file has only one");
    }
    url
}

fn cookie(reader: &mut Reader, listen: &Place, public_url: Option<&PublicUrl>) -> SessionCookie {
    let insecure = reader.read("insecure_cookie", false, values::boolean);
    if insecure && !listen.is_loopback() {
        let message = "for development only: it is accepted only where `listen` is a loopback address";
        reader.refuse("insecure_cookie", message);
    }
    if insecure && public_url.is_some_and(PublicUrl::is_https) {
        reader.refuse("insecure_cookie", "for development only: `public_url` is https");
    }
    if insecure { SessionCookie::Plain } else { public_url.map_or(SessionCookie::Secure, PublicUrl::cookie) }
}

fn cache(reader: &mut Reader, deadline: Duration) -> CacheSettings {
    let mib = reader.read("cache.memory_mib", 64, values::within(0, 1_048_576));
    let max_staleness = reader.read("cache.max_staleness_ms", 0, values::within(0, 600_000));
    let longest_spacing = reader.read("cache.spacing_us", 500, values::within(0, 1_000_000));
    CacheSettings {
        bytes: u64::from(mib) << 20,
        max_staleness_millis: max_staleness.into(),
        longest_spacing: Duration::from_micros(longest_spacing.into()),
        deadline,
    }
}

fn policy(reader: &mut Reader) -> Policy {
    let lifetimes = lifetimes(reader);
    Policy {
        lifetimes,
        sessions: session_policy(reader, lifetimes.scoped_long),
        confirm_for: confirm_for(reader),
        login_errors: reader.read("login_errors", LoginErrors::Detailed, values::one_of),
        registration: reader.read("registration", Registration::Open, values::one_of),
        staff_factor: StaffFactor::Required,
        account_lock_timeout: ATTEMPT_TIMEOUT,
        attempt_timeout: ATTEMPT_TIMEOUT,
    }
}

fn confirm_for(reader: &mut Reader) -> i64 {
    const KEY: &str = "confirm_for";
    let Seconds(seconds) = reader.read(KEY, Seconds(10 * MINUTE), values::duration);
    if seconds < MINUTE {
        reader.refuse(KEY, "expected at least 1m: a form takes that long");
    }
    seconds
}

fn relying_party(reader: &mut Reader, listen: &Place, public_url: Option<&PublicUrl>) -> RelyingParty {
    // Port 80 is not written in an origin. A port that the system picks (0) cannot be known, nor used from a browser. No
    // browser uses a security key for an address.
    let (id, origin) = match (public_url.filter(|url| url.has_domain()), listen.port()) {
        (Some(url), _) => (url.host().to_owned(), url.to_string()),
        (None, None | Some(80)) => ("localhost".to_owned(), "http://localhost".to_owned()),
        (None, Some(port)) => ("localhost".to_owned(), format!("http://localhost:{port}")),
    };
    let relying_party = RelyingParty {
        id: reader.read("relying_party.id", id, values::any_text),
        name: reader.read("relying_party.name", "Thunderhead".to_owned(), values::any_text),
        origins: reader.read("relying_party.origins", Texts(vec![origin]), values::texts).0,
        related_origins: reader.read("relying_party.related_origins", Texts(vec![]), values::texts).0,
    };
    if let Err(invalid) = SecurityKeys::new(relying_party.clone()) {
        reader.refuse(invalid.setting(), &invalid.to_string());
    }
    relying_party
}

fn lifetimes(reader: &mut Reader) -> Lifetimes {
    let mut lifetime = |key, default| reader.read(key, Seconds(default), values::duration).0;
    Lifetimes {
        login: lifetime("lifetimes.login", 24 * HOUR),
        login_remembered: lifetime("lifetimes.login_remembered", 10 * YEAR),
        scoped: lifetime("lifetimes.scoped", 24 * HOUR),
        scoped_long: lifetime("lifetimes.scoped_long", 10 * YEAR),
        legacy: lifetime("lifetimes.legacy", 30 * DAY),
        kratos: lifetime("lifetimes.kratos", 24 * HOUR),
        pages: lifetime("lifetimes.pages", 24 * HOUR),
        pages_remembered: lifetime("lifetimes.pages_remembered", 10 * YEAR),
    }
}

/// For constants that are not 0.
pub(super) fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

pub(super) fn processors() -> NonZeroUsize {
    available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigError;
    use crate::config::layers::{File, Sources};
    use crate::config::show::Setting;

    /// What something in a file comes to.
    fn of<T>(file: &str, read: impl FnOnce(&mut Reader) -> T) -> (T, Result<Vec<Setting>, ConfigError>) {
        let file = File { path: "thunderhead.toml".into(), text: file.to_owned() };
        let mut reader = Reader::new(&Sources { file: Some(file), ..Sources::default() }).unwrap();
        (read(&mut reader), reader.finish())
    }

    /// What `limits.flood` comes to in a program that was built with the shield, or without it.
    fn flood(file: &str, has_shield: bool) -> (FloodLimit, Result<Vec<Setting>, ConfigError>) {
        of(file, |reader| flood_limit(reader, has_shield))
    }

    #[test]
    fn traces_go_to_a_collector_if_the_program_was_built_with_them() {
        let given = "otlp.endpoint = 'http://127.0.0.1:4318'\notlp.one_in = 10";
        let (settings, outcome) = of(given, |reader| traces(reader, true));
        outcome.unwrap();
        let settings = settings.unwrap();
        assert_eq!((settings.endpoint.as_str(), settings.one_in), ("http://127.0.0.1:4318", 10));
        let refused = of(given, |reader| traces(reader, false)).1.unwrap_err().to_string();
        assert!(refused.contains("otlp.endpoint") && refused.contains("built without"), "{refused}");
        let (settings, outcome) = of("", |reader| traces(reader, false));
        assert_eq!((settings, outcome.unwrap()[0].origin.to_string().as_str()), (None, "built without it"));
    }

    #[test]
    fn an_address_of_a_collector_holds_no_secret_and_no_more_than_a_base() {
        for good in ["http://127.0.0.1:4318", "https://collector.example/otlp/", "http://[::1]:4318"] {
            assert!(of(&format!("otlp.endpoint = '{good}'"), |reader| traces(reader, true)).1.is_ok(), "{good}");
        }
        for bad in ["collector:4318", "grpc://x", "http://ada:secret@x", "http://x?secret", "http://x#secret"] {
            let refused = of(&format!("otlp.endpoint = '{bad}'"), |reader| traces(reader, true)).1;
            let refused = refused.unwrap_err().to_string();
            assert!(
                refused.contains("expected the address of a collector") && !refused.contains("secret"),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_program_without_the_shield_refuses_every_limit_that_it_would_need() {
        let given = "limits.flood = '50/s+200'";
        assert!(flood(given, true).1.is_ok());
        let refused = flood(given, false).1.unwrap_err().to_string();
        assert!(refused.contains("limits.flood") && refused.contains("thunderhead.toml"), "{refused}");
        assert!(refused.contains("built without the shield against floods: only off is possible"), "{refused}");
    }

    #[test]
    fn a_program_without_the_shield_has_no_flood_limit_and_says_why() {
        for (file, has_shield, value, origin) in [
            ("", true, "50/s+200", "default"),
            ("", false, "off", "built without it"),
            ("limits.flood = 'off'", false, "off", "thunderhead.toml"),
        ] {
            let (limit, settings) = flood(file, has_shield);
            assert_eq!(limit == FloodLimit::Off, value == "off", "{file}");
            let settings = settings.unwrap();
            let shown = (settings[0].value.as_deref(), settings[0].origin.to_string());
            assert_eq!(shown, (Some(value), origin.to_owned()), "{file}");
        }
    }
}
