//! Variables that Kubernetes puts into every container for each Service of its namespace. For one whose name begins
//! with `thunderhead` they begin as ours do, and mean nothing to us.

use std::net::IpAddr;

/// Whether a variable is one of these, by its name – what follows our prefix – and its value:
/// `SERVICE_HOST`, `SERVICE_PORT`, `SERVICE_PORT_HTTP`, `PORT`, `PORT_8000_TCP`, `PORT_8000_TCP_ADDR` and so on, or the
/// same behind the rest of a longer name of a Service.
pub(super) fn is_of_a_service(name: &str, value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(plain) && ends(name).any(|end| is_end_of_one(end, value))
}

/// The name, and what is left of it behind each of its words.
fn ends(name: &str) -> impl Iterator<Item = &str> {
    let behind = name.match_indices('_').filter_map(|(at, _)| name.get(at + 1..));
    std::iter::once(name).chain(behind)
}

fn is_end_of_one(end: &str, value: &str) -> bool {
    let is_number = |text: &str| text.parse::<u16>().is_ok();
    match end {
        "SERVICE_HOST" => return value.parse::<IpAddr>().is_ok(),
        "SERVICE_PORT" => return is_number(value),
        "PORT" => return is_place(value),
        _ => {}
    }
    if let Some(port) = end.strip_prefix("SERVICE_PORT_") {
        return !port.is_empty() && is_number(value);
    }
    let Some(rest) = end.strip_prefix("PORT_") else { return false };
    let mut words = rest.split('_');
    let is_port = words.next().is_some_and(is_number) && words.next().is_some_and(is_protocol);
    is_port
        && match (words.next(), words.next()) {
            (None, _) => is_place(value),
            (Some("ADDR"), None) => value.parse::<IpAddr>().is_ok(),
            (Some("PORT"), None) => is_number(value),
            (Some("PROTO"), None) => is_protocol(value),
            (Some(_), _) => false,
        }
}

fn is_protocol(text: &str) -> bool {
    ["tcp", "udp", "sctp"].iter().any(|known| known.eq_ignore_ascii_case(text))
}

/// `tcp://10.96.0.7:8000`.
fn is_place(value: &str) -> bool {
    value.split_once("://").is_some_and(|(protocol, rest)| is_protocol(protocol) && !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_sets_for_a_service_is_known() {
        for (name, value) in [
            ("SERVICE_HOST", "10.96.0.7"),
            ("SERVICE_HOST", "fd00::7"),
            ("SERVICE_PORT", "8000"),
            ("SERVICE_PORT_HTTP", "8000"),
            ("SERVICE_PORT_HTTP_ALT", "8001"),
            ("PORT", "tcp://10.96.0.7:8000"),
            ("PORT_8000_TCP", "tcp://10.96.0.7:8000"),
            ("PORT_8000_TCP_PROTO", "tcp"),
            ("PORT_8000_TCP_PORT", "8000"),
            ("PORT_8000_TCP_ADDR", "10.96.0.7"),
            ("PORT_53_UDP", "udp://[fd00::7]:53"),
            // A Service called `thunderhead-db-rw`.
            ("DB_RW_SERVICE_HOST", "10.96.0.8"),
            ("DB_RW_PORT_5432_TCP_ADDR", "10.96.0.8"),
        ] {
            assert!(is_of_a_service(name, value), "{name}={value}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_not_taken_for_one_of_them() {
        for (name, value) in [
            ("PORT", "8000"),
            ("METRICS_PORT", "9090"),
            ("SERVICE_HOST", "db.example"),
            ("SERVICE_PORT", "http"),
            ("SERVICE_PORT_", "8000"),
            ("SERVICE__PORT", "x"),
            ("PORT_HTTP_TCP", "tcp://10.96.0.7:8000"),
            ("PORT_8000_TCP_NAME", "x"),
            ("PORT_8000", "tcp://10.96.0.7:8000"),
            ("REPORT", "tcp://10.96.0.7:8000"),
            ("service_host", "10.96.0.7"),
            ("LISTEN", "10.96.0.7:8000"),
        ] {
            assert!(!is_of_a_service(name, value), "{name}={value}");
        }
    }
}
