//! Which URLs an endpoint may have. What its host resolves to is looked at again with each delivery.

use std::net::IpAddr;

use thunderhead_domain::webhook::WebhookUrl;
use thunderhead_domain::webhook::address::{is_loopback, is_refused};
use url::{Host, Url};

/// The longest URL, in bytes.
const MAX: usize = 2_048;

/// A text that cannot be an endpoint's URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhookUrl {
    /// It is no URL, or too long.
    #[error("the URL of a webhook is an https URL of at most 2048 bytes, such as https://hooks.example/thunderhead")]
    Malformed,
    /// It is neither `https` nor `http` to this machine.
    #[error("a webhook's URL is https; http is for this machine alone, as in http://localhost:9000/hooks")]
    Scheme,
    /// It holds a user or a password, which lists would show.
    #[error("a webhook's URL holds no user name and no password: the signature says who sends")]
    Userinfo,
    /// It has a fragment, which is not sent.
    #[error("a webhook's URL has no fragment")]
    Fragment,
    /// Nothing is posted to this address.
    #[error("nothing is posted to {0}: link-local and unspecified addresses, and those of clouds, are refused")]
    Refused(IpAddr),
}

/// Reads a URL; what is stored is its normal form.
///
/// # Errors
/// Where no endpoint can have it.
pub fn parse_webhook_url(text: &str) -> Result<WebhookUrl, InvalidWebhookUrl> {
    if text.len() > MAX {
        return Err(InvalidWebhookUrl::Malformed);
    }
    let url = Url::parse(text).map_err(|_| InvalidWebhookUrl::Malformed)?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(InvalidWebhookUrl::Scheme);
    }
    let host = url.host().ok_or(InvalidWebhookUrl::Malformed)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidWebhookUrl::Userinfo);
    }
    if url.fragment().is_some() {
        return Err(InvalidWebhookUrl::Fragment);
    }
    let address = match host {
        Host::Ipv4(address) => Some(IpAddr::from(address)),
        Host::Ipv6(address) => Some(IpAddr::from(address)),
        Host::Domain(_) => None,
    };
    if let Some(address) = address.filter(|address| is_refused(*address)) {
        return Err(InvalidWebhookUrl::Refused(address));
    }
    let of_this_machine = match (address, host) {
        (Some(address), _) => is_loopback(address),
        (None, Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name) == "localhost",
        (None, Host::Ipv4(_) | Host::Ipv6(_)) => false,
    };
    if url.scheme() == "http" && !of_this_machine {
        return Err(InvalidWebhookUrl::Scheme);
    }
    if url.as_str().len() > MAX {
        return Err(InvalidWebhookUrl::Malformed);
    }
    Ok(WebhookUrl::from_checked(url.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_and_http_to_this_machine_are_taken_in_their_normal_form() {
        for (text, stored) in [
            ("https://hooks.example/in?x=1", "https://hooks.example/in?x=1"),
            ("HTTPS://Hooks.Example:443", "https://hooks.example/"),
            ("https://hooks.example.:8443/in", "https://hooks.example.:8443/in"),
            ("https://10.1.2.3/in", "https://10.1.2.3/in"),
            ("https://localhost/in", "https://localhost/in"),
            ("http://localhost:9000/in", "http://localhost:9000/in"),
            ("http://localhost./", "http://localhost./"),
            ("http://127.9.9.9/", "http://127.9.9.9/"),
            ("http://2130706433/", "http://127.0.0.1/"),
            ("http://[::1]:9000/", "http://[::1]:9000/"),
            ("http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
        ] {
            assert_eq!(parse_webhook_url(text).map(|url| url.as_str().to_owned()), Ok(stored.to_owned()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_and_said_why() {
        use InvalidWebhookUrl::{Fragment, Malformed, Scheme, Userinfo};
        let refused = |address: &str| InvalidWebhookUrl::Refused(address.parse().unwrap());
        let long = format!("https://hooks.example/{}", "x".repeat(MAX));
        let grown = format!("https://hooks.example/{}", "ä".repeat(500));
        for (text, why) in [
            ("", Malformed),
            ("hooks.example/in", Malformed),
            ("https://", Malformed),
            ("https://exa mple/", Malformed),
            (&long, Malformed),
            (&grown, Malformed),
            ("http://hooks.example/", Scheme),
            ("http://10.1.2.3/", Scheme),
            ("http://localhost.evil.example/", Scheme),
            ("http://notlocalhost/", Scheme),
            ("ftp://localhost/", Scheme),
            ("file:///etc/passwd", Scheme),
            ("https://ada@hooks.example/", Userinfo),
            ("https://:secret@hooks.example/", Userinfo),
            ("https://hooks.example@169.254.169.254/", Userinfo),
            ("https://hooks.example/#in", Fragment),
            ("https://169.254.169.254/latest/meta-data/", refused("169.254.169.254")),
            ("http://0/", refused("0.0.0.0")),
            ("https://0251.0376.0251.0376/", refused("169.254.169.254")),
            ("https://2852039166/", refused("169.254.169.254")),
            ("https://0xa9.254.43518./", refused("169.254.169.254")),
            ("https://[fe80::1]/", refused("fe80::1")),
            ("https://[::ffff:100.100.100.200]/", refused("::ffff:100.100.100.200")),
            ("https://[64:ff9b::169.254.169.254]/", refused("64:ff9b::a9fe:a9fe")),
            ("https://[2002:a9fe:a9fe::]/", refused("2002:a9fe:a9fe::")),
            ("http://[::]/", refused("::")),
        ] {
            assert_eq!(parse_webhook_url(text), Err(why), "{text}");
        }
    }
}
