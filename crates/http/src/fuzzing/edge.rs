//! Headers that say who calls, and from where.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::http::header::HeaderMap;

use crate::request::client_ip::{TrustedProxies, bucket_of};
use crate::request::cookie::SessionCookie;
use crate::request::credential::{Credential, CredentialPlace};
use crate::request::fuzzing::headers;
use crate::request::pass_cookie;

/// What is found is what the first place holds that holds anything, read in the most simple way.
pub fn credential(data: &[u8]) {
    let headers = headers(data, &["authorization", "x-session-token", "cookie"]);
    let found = Credential::first_in(&CredentialPlace::ALL, &headers, &SessionCookie::Secure);
    assert_eq!(described(&found), expected(&headers));
    assert!(!format!("{found:?}").contains("TokenText(\""), "a token is not printed");
}

/// A word for what it is, and the token.
fn described(found: &Credential<'_>) -> (&'static str, Vec<u8>) {
    match found {
        Credential::Nothing => ("nothing", vec![]),
        Credential::Ambiguous => ("several", vec![]),
        Credential::Unreadable { by_cookie: true } => ("no cookie", vec![]),
        Credential::Unreadable { by_cookie: false } => ("no header", vec![]),
        Credential::Token { text, by_cookie: true } => ("cookie", text.expose().into()),
        Credential::Token { text, by_cookie: false } => ("header", text.expose().into()),
        Credential::Pass(text) => ("pass", text.expose().into()),
    }
}

fn expected(headers: &HeaderMap) -> (&'static str, Vec<u8>) {
    let words = |value: &[u8]| -> Vec<Vec<u8>> {
        let words = value.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        words.map(<[u8]>::to_vec).collect()
    };
    let values =
        |name: &str| -> Vec<Vec<u8>> { headers.get_all(name).map(|value| value.as_bytes().to_vec()).collect() };
    let is_token = |text: &[u8]| !text.is_empty() && text.iter().all(|byte| (0x21..=0x7E).contains(byte));
    let read = |text: Option<Vec<u8>>, is: &'static str, is_not: &'static str| match text {
        Some(text) if is_token(&text) => (is, text),
        _ => (is_not, vec![]),
    };
    match values("authorization").as_slice() {
        [] => {}
        [value] => {
            let is_scheme = |word: &[u8]| word.eq_ignore_ascii_case(b"bearer");
            let token = match words(value).as_slice() {
                [only] if !is_scheme(only) => Some(only.clone()),
                [scheme, token] if is_scheme(scheme) => Some(token.clone()),
                _ => None,
            };
            return read(token, "header", "no header");
        }
        _ => return ("several", vec![]),
    }
    match values("x-session-token").as_slice() {
        [] => {}
        [value] => {
            let token = words(value).into_iter().reduce(|first, second| [first, b" ".to_vec(), second].concat());
            let token = token.map(|token| token.strip_prefix(b"ory_st_").map_or(token.clone(), <[u8]>::to_vec));
            // What stands before it may be all that there is: then it is a token that nobody has.
            return match token {
                Some(token) if token.is_empty() => ("header", vec![]),
                token => read(token, "header", "no header"),
            };
        }
        _ => return ("several", vec![]),
    }
    let cookies = |name: &str| -> Vec<Vec<u8>> {
        let lines = values("cookie");
        let pairs = lines.iter().flat_map(|line| line.split(|byte| *byte == b';'));
        let named = pairs.filter_map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            let (before, after) = pair.split_at(equals);
            (before.trim_ascii() == name.as_bytes()).then(|| after[1..].trim_ascii().to_vec())
        });
        named.collect()
    };
    for (name, is) in [(SessionCookie::Secure.name(), "cookie"), (pass_cookie::NAME, "pass")] {
        match cookies(name).as_slice() {
            [] => {}
            [value] => return read(Some(value.clone()), is, "no cookie"),
            _ => return ("several", vec![]),
        }
    }
    ("nothing", vec![])
}

/// Nobody but a listed proxy says who the client is, and what stands to the left of the client says nothing. The first
/// byte of the input picks the peer.
pub fn client_ip(data: &[u8]) {
    let Some((which, lines)) = data.split_first() else { return };
    let headers = headers(lines, &["x-forwarded-for"]);
    let networks = ["10.0.0.0/8", "2001:db8::/32"].map(str::parse);
    let proxies = TrustedProxies::new(networks.into_iter().flatten().collect());
    let peers = [
        Some(IpAddr::from([10, 0, 0, 1])),
        Some(IpAddr::from([192, 0, 2, 1])),
        Some(IpAddr::from(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped())),
        None,
    ];
    let peer = peers[usize::from(*which) % peers.len()];
    let is_proxy = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.segments()[..2] == [0x2001, 0xDB8],
    };
    let own = peer.map(|peer| peer.to_canonical());
    let found = proxies.client_of(peer, &headers);
    if !own.as_ref().is_some_and(is_proxy) {
        assert_eq!(found.address(), own);
        return;
    }
    // As one line, which is the same (RFC 9110, section 5.3).
    let lines: Vec<&[u8]> = headers.get_all("x-forwarded-for").map(|value| value.as_bytes()).collect();
    let line = lines.join(&b","[..]);
    let entries = line.split(|byte| *byte == b',').map(|entry| {
        let text = str::from_utf8(entry).ok()?.trim();
        let in_brackets = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let address: Option<IpAddr> = in_brackets.unwrap_or(text).parse().ok();
        let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
        address.map(|address| address.to_canonical())
    });
    let entries: Vec<Option<IpAddr>> = if lines.is_empty() { vec![] } else { entries.collect() };
    let believed = entries.iter().rev().map_while(|entry| *entry);
    let mut client = own;
    for address in believed {
        client = Some(address);
        if !is_proxy(&address) {
            break;
        }
    }
    assert_eq!(found.address(), client);
    assert_eq!(found.bucket(), bucket_of(client));
}
