//! Where a client finds this server, as the client's own request tells: for the addresses in answers.

use std::net::IpAddr;

use actix_web::http::header::HOST;

use crate::access::call::Call;
use crate::kratos::PREFIX;
use crate::request::cookie::SessionCookie;

/// The address of a path of this dialect. TLS ends at the proxy in front, so the kind of the cookie decides on the
/// scheme, but for this very machine. Without a host to name, the path alone.
pub(super) fn url(call: &Call, path: &str) -> String {
    format!("{}{PREFIX}{path}", origin(call))
}

/// The same before any path.
pub(super) fn origin(call: &Call) -> String {
    let host = call.request().headers().get(HOST).and_then(|value| value.to_str().ok());
    host.filter(|host| !host.is_empty()).map_or_else(String::new, |host| origin_of(host, call.cookie()))
}

fn origin_of(host: &str, cookie: SessionCookie) -> String {
    let plain = cookie == SessionCookie::Plain || is_this_machine(host);
    format!("{}://{host}", if plain { "http" } else { "https" })
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_addressed_without_tls() {
        for (host, expected) in [
            ("auth.example", "https://auth.example"),
            ("auth.example:8443", "https://auth.example:8443"),
            ("192.0.2.1:8000", "https://192.0.2.1:8000"),
            ("[2001:db8::1]:80", "https://[2001:db8::1]:80"),
            ("127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("LOCALHOST", "http://LOCALHOST"),
            ("[::1]:8000", "http://[::1]:8000"),
            ("localhost.example", "https://localhost.example"),
        ] {
            assert_eq!(origin_of(host, SessionCookie::Secure), expected);
        }
        assert_eq!(origin_of("auth.example", SessionCookie::Plain), "http://auth.example");
    }
}
