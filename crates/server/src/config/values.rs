//! From what a source holds to what a setting means. Messages say what would be right; they repeat what was
//! given unless that may be a secret.

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;

use figment::value::Value;
use ipnet::IpNet;
use thunderhead_auth::settings::{LoginErrors, Registration};
use thunderhead_auth::tokens::audience::{Audience, InvalidAudience};
use thunderhead_auth::tokens::keys::EncryptionKeys;
use thunderhead_domain::label::is_label;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_http::dialects;
use thunderhead_http::middleware::logged_requests::LoggedRequests;
use thunderhead_http::middleware::shield::FloodLimit;
use thunderhead_http::request::credential_order::CredentialOrder;
use thunderhead_http::request::origin::Origins;
use thunderhead_http::server::listen::Place;
use thunderhead_http::site::cookie_domain::{CookieDomain, InvalidCookieDomain};
use thunderhead_http::site::public_url::{InvalidPublicUrl, PublicUrl};
use thunderhead_http::site::redirect_origins::RedirectOrigins;
use thunderhead_storage::DatabaseUrl;
use tracing_subscriber::EnvFilter;

use super::sections::{CollectorUrl, InvalidCollectorUrl, Keep, LogFormat};
use super::show::{AllowedOrigins, Bound, OnOff, Seconds, SettingText, Texts};
use super::units::{UNITS, YEAR};

/// The longest time that can be set, in seconds: a hundred years.
const LONGEST: i64 = 100 * YEAR;

/// The longest name of a site, in characters.
const LONGEST_NAME: usize = 64;

/// What was given, for a message.
fn not(expected: &str, given: &str) -> String {
    let head: String = given.chars().take(60).collect();
    let dots = if head.len() < given.len() { "…" } else { "" };
    format!("expected {expected}, not {head:?}{dots}")
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "expected a text in quotes".to_owned())
}

/// A number as such or as text: the environment knows only text.
fn number(value: &Value, expected: &str) -> Result<u64, String> {
    if let Some(given) = value.as_str() {
        let plain = !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_digit());
        return plain.then(|| given.parse().ok()).flatten().ok_or_else(|| not(expected, given));
    }
    let number = value.to_i128().and_then(|number| u64::try_from(number).ok());
    let number = number.or_else(|| value.to_u128().and_then(|number| u64::try_from(number).ok()));
    number.ok_or_else(|| format!("expected {expected}"))
}

/// The texts of an array, or of one text with commas.
fn list(value: &Value) -> Result<Vec<String>, String> {
    if let Some(given) = value.as_str() {
        let inner = given.trim();
        let inner = inner.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(inner);
        let items = inner.split(',').map(|item| item.trim().trim_matches('"').to_owned());
        return Ok(items.filter(|item| !item.is_empty()).collect());
    }
    let items = value.as_array().ok_or("expected an array of texts")?;
    items.iter().map(|item| text(item).map(str::to_owned)).collect()
}

/// A path of the file system.
pub(super) fn path(value: &Value) -> Result<PathBuf, String> {
    match text(value)? {
        "" => Err("expected a path, not nothing".to_owned()),
        path => Ok(PathBuf::from(path)),
    }
}

/// `true` or `false`.
pub(super) fn boolean(value: &Value) -> Result<bool, String> {
    match (value.to_bool(), value.as_str()) {
        (Some(boolean), _) => Ok(boolean),
        (None, Some("true")) => Ok(true),
        (None, Some("false")) => Ok(false),
        (None, given) => {
            Err(given.map_or_else(|| "expected true or false".to_owned(), |given| not("true or false", given)))
        }
    }
}

/// `on` or `off`; `true` and `false` mean the same.
pub(super) fn on_off(value: &Value) -> Result<OnOff, String> {
    match (value.as_str(), boolean(value)) {
        (Some("on"), _) => Ok(OnOff(true)),
        (Some("off"), _) => Ok(OnOff(false)),
        (_, Ok(boolean)) => Ok(OnOff(boolean)),
        (given, Err(_)) => Err(given.map_or_else(|| "expected on or off".to_owned(), |given| not("on or off", given))),
    }
}

/// Settings whose values are words.
pub(super) trait Keywords: SettingText + Copy + 'static {
    /// All of them.
    const ALL: &'static [Self];
}

impl Keywords for LoginErrors {
    const ALL: &'static [Self] = &[Self::Detailed, Self::Uniform];
}

impl Keywords for Registration {
    const ALL: &'static [Self] = &[Self::Open, Self::Closed];
}

impl Keywords for LogFormat {
    const ALL: &'static [Self] = &[Self::Auto, Self::Lines, Self::Json];
}

impl Keywords for LoggedRequests {
    const ALL: &'static [Self] = &[Self::All, Self::ChangesAndFailures, Self::Off];
}

/// One of some words.
pub(super) fn one_of<T: Keywords>(value: &Value) -> Result<T, String> {
    let given = text(value)?;
    let words: Vec<_> = T::ALL.iter().map(|word| format!("{:?}", word.shown())).collect();
    let expected = words.join(" or ");
    let found = T::ALL.iter().copied().find(|word| word.shown() == given);
    found.ok_or_else(|| not(&expected, given))
}

/// A number between two others.
pub(super) fn within(least: u32, most: u32) -> impl Fn(&Value) -> Result<u32, String> {
    move |value| {
        let expected = format!("a whole number from {least} to {most}");
        let number = number(value, &expected)?;
        let fitting = u32::try_from(number).ok().filter(|number| (least..=most).contains(number));
        fitting.ok_or_else(|| not(&expected, &number.to_string()))
    }
}

/// A number of threads.
pub(super) fn threads(value: &Value) -> Result<NonZeroUsize, String> {
    positive(value, 1_024)
}

/// How many may wait.
pub(super) fn queue(value: &Value) -> Result<NonZeroUsize, String> {
    positive(value, 1_000_000)
}

fn positive(value: &Value, most: u32) -> Result<NonZeroUsize, String> {
    let number = within(1, most)(value)?;
    usize::try_from(number).ok().and_then(NonZeroUsize::new).ok_or_else(|| "expected a smaller number".to_owned())
}

/// A database URL. It may hold a password, and is not repeated.
pub(super) fn database_url(value: &Value) -> Result<DatabaseUrl, String> {
    text(value)?.parse().map_err(|error: thunderhead_storage::InvalidDatabaseUrl| error.to_string())
}

/// The encryption keys. They are not repeated.
pub(super) fn encryption_keys(value: &Value) -> Result<EncryptionKeys, String> {
    EncryptionKeys::parse(text(value)?).map_err(|error| error.to_string())
}

/// A place to listen at.
pub(super) fn place(value: &Value) -> Result<Place, String> {
    let given = text(value)?;
    let expected = "an IP address and a port, as in 127.0.0.1:8000 or [::1]:8000, a host name and a port, as in \
        localhost:8000, or a Unix socket, as in unix:/run/thunderhead.sock";
    given.parse().map_err(|_| not(expected, given))
}

/// An address to listen on.
pub(super) fn address(value: &Value) -> Result<SocketAddr, String> {
    let given = text(value)?;
    given.parse().map_err(|_| not("an IP address and a port, as in 127.0.0.1:8000 or [::1]:8000", given))
}

/// Where browsers find the server.
pub(super) fn public_url(value: &Value) -> Result<PublicUrl, String> {
    text(value)?.parse().map_err(|error: InvalidPublicUrl| error.to_string())
}

/// A domain of cookies.
pub(super) fn cookie_domain(value: &Value) -> Result<CookieDomain, String> {
    text(value)?.parse().map_err(|error: InvalidCookieDomain| error.to_string())
}

/// Origins that a sign-in may lead to.
pub(super) fn redirect_origins(value: &Value) -> Result<RedirectOrigins, String> {
    RedirectOrigins::new(&list(value)?).map_err(|error| error.to_string())
}

/// What a site is called.
pub(super) fn site_name(value: &Value) -> Result<String, String> {
    let given = text(value)?;
    if is_label(given, LONGEST_NAME) { Ok(given.to_owned()) } else { Err(not("1 to 64 printable characters", given)) }
}

/// A path of URLs, without a slash at its end.
pub(super) fn base_path(value: &Value) -> Result<String, String> {
    let given = text(value)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let is_segment =
        |segment: &str| !segment.is_empty() && segment.bytes().all(plain) && !matches!(segment, "." | "..");
    let segments = given.strip_prefix('/').map(|rest| rest.split('/').collect::<Vec<_>>()).unwrap_or_default();
    if segments.is_empty() || !segments.iter().all(|segment| is_segment(segment)) {
        return Err(not("a path such as /api, with no slash at its end", given));
    }
    if dialects::is_taken(given) {
        return Err(not("a path that other endpoints do not have, nor one below theirs, such as /api", given));
    }
    Ok(given.to_owned())
}

/// The issuer of tokens.
pub(super) fn issuer(value: &Value) -> Result<String, String> {
    let given = text(value)?;
    let fits = (1..=255).contains(&given.len()) && !given.chars().any(char::is_control);
    if fits { Ok(given.to_owned()) } else { Err(not("1 to 255 bytes without control characters", given)) }
}

/// The audience of tokens.
pub(super) fn audience(value: &Value) -> Result<Audience, String> {
    list(value)?.try_into().map_err(|error: InvalidAudience| format!("expected {error}"))
}

/// A text that is checked together with others.
pub(super) fn any_text(value: &Value) -> Result<String, String> {
    text(value).map(str::to_owned)
}

/// Texts that are checked together with others.
pub(super) fn texts(value: &Value) -> Result<Texts, String> {
    list(value).map(Texts)
}

/// Networks in CIDR notation, or single addresses.
pub(super) fn networks(value: &Value) -> Result<Vec<IpNet>, String> {
    let network = |item: &String| {
        let network = IpNet::from_str(item).or_else(|_| IpAddr::from_str(item).map(IpNet::from));
        network.map_err(|_| not("IP addresses or networks, as in 10.0.0.1 or 10.0.0.0/8", item))
    };
    list(value)?.iter().map(network).collect()
}

/// Origins of pages.
pub(super) fn origins(value: &Value) -> Result<AllowedOrigins, String> {
    let texts = list(value)?;
    let origins = Origins::new(texts.clone()).map_err(|error| error.to_string())?;
    Ok(AllowedOrigins { texts, origins })
}

/// Where proxies' questions hold a credential.
pub(super) fn credential_order(value: &Value) -> Result<CredentialOrder, String> {
    CredentialOrder::new(&list(value)?).map_err(|error| error.to_string())
}

/// Where traces are sent.
pub(super) fn collector(value: &Value) -> Result<CollectorUrl, String> {
    text(value)?.parse().map_err(|error: InvalidCollectorUrl| error.to_string())
}

/// Directives of the log.
pub(super) fn log_filter(value: &Value) -> Result<String, String> {
    let given = text(value)?;
    let expected = "a level or directives, as in info or info,thunderhead_http=debug";
    EnvFilter::try_new(given).map(|_| given.to_owned()).map_err(|error| format!("{} ({error})", not(expected, given)))
}

/// A number with a unit; a bare number is seconds.
pub(super) fn duration(value: &Value) -> Result<Seconds, String> {
    time(value, "a time such as 90s, 15m, 24h, 30d or 10y, or a number of seconds").map(Seconds)
}

/// A time, or none.
pub(super) fn bound(value: &Value) -> Result<Bound, String> {
    if value.as_str() == Some("off") {
        return Ok(Bound(None));
    }
    time(value, "a time such as 15m, 24h or 30d, a number of seconds, or off").map(|seconds| Bound(Some(seconds)))
}

/// How long something is kept.
pub(super) fn keep(value: &Value) -> Result<Keep, String> {
    if value.as_str() == Some("off") {
        return Ok(Keep::Forever);
    }
    time(value, "a time such as 24h, 30d or 10y, a number of seconds, or off").map(Keep::For)
}

fn time(value: &Value, expected: &str) -> Result<i64, String> {
    let seconds = match value.as_str() {
        Some(given) => with_unit(given).ok_or_else(|| not(expected, given))?,
        None => i64::try_from(number(value, expected)?).unwrap_or(i64::MAX),
    };
    if (1..=LONGEST).contains(&seconds) { Ok(seconds) } else { Err("expected a time from 1s to 100y".to_owned()) }
}

/// Seconds; what is too large for the type becomes the largest.
fn with_unit(given: &str) -> Option<i64> {
    let digits = given.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = given.split_at(digits);
    let unit = if unit.is_empty() { "s" } else { unit };
    let (_, unit) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let is_number = !number.is_empty();
    is_number.then(|| number.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(unit))
}

/// So many requests in a window, or off.
pub(super) fn limit(value: &Value) -> Result<Limit, String> {
    let given = text(value)?;
    if given == "off" {
        return Ok(Limit::Off);
    }
    let parse = || {
        let (count, window) = given.split_once('/')?;
        let ends_well = window.len() > 1 && window.ends_with(['s', 'm', 'h']);
        let millis = with_unit(window).filter(|_| ends_well)?.checked_mul(1_000)?;
        let window_millis = NonZeroU32::new(u32::try_from(millis).ok()?)?;
        Some(Limit::Within { count: count_of(count)?, window_millis })
    };
    parse().ok_or_else(|| not("a limit such as 100/1m (units s, m, h; at most 1000h), or off", given))
}

/// So many requests a second and some more at once, or off.
pub(super) fn flood(value: &Value) -> Result<FloodLimit, String> {
    let given = text(value)?;
    if given == "off" {
        return Ok(FloodLimit::Off);
    }
    let parse = || {
        let (rate, burst) = given.split_once("/s+")?;
        Some(FloodLimit::Leaky { per_second: count_of(rate)?, burst: count_of(burst)? })
    };
    parse().ok_or_else(|| not("a rate and a burst such as 50/s+200, or off", given))
}

/// A positive number, of digits alone.
fn count_of(digits: &str) -> Option<NonZeroU32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}
