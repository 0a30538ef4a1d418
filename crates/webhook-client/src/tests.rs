//! The client against servers of a few lines.

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::webhook::WebhookUrl;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::*;

/// Says of every name that it has these addresses.
struct Always(Vec<SocketAddr>);

#[async_trait]
impl Resolver for Always {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.0.clone())
    }
}

fn client_with(addresses: Vec<SocketAddr>) -> WebhookClient {
    WebhookClient { resolver: Arc::new(Always(addresses)), ..WebhookClient::default() }
}

fn message(url: &str) -> WebhookMessage {
    WebhookMessage {
        url: WebhookUrl::from_checked(url.to_owned()),
        id: "42-9f86d081884c7d65".to_owned(),
        at: Timestamp::from_unix_millis(1_768_478_400_250),
        signature: "v1,c2lnbmF0dXJl".to_owned(),
        body: r#"{"type":"session.ended"}"#.to_owned(),
    }
}

fn send(client: &WebhookClient, url: &str) -> Result<WebhookAnswer, WebhookSendError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(client.send(message(url)))
}

/// Reads a request: its head, and a body of as many bytes as it says.
fn read(stream: &mut impl io::Read) -> String {
    let mut text = Vec::new();
    loop {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            return String::from_utf8(text).unwrap();
        }
        text.push(byte[0]);
        let so_far = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        if body.len() == length {
            return so_far;
        }
    }
}

/// A server that gives one answer to one request, which it returns.
fn serve(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        request
    });
    (address, server)
}

fn answered(status: u16) -> Result<WebhookAnswer, WebhookSendError> {
    Ok(WebhookAnswer { status, retry_after: None })
}

#[test]
fn a_message_is_posted_with_its_three_headers() {
    let (address, server) = serve("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(send(&WebhookClient::default(), &format!("http://{address}/hooks/a%20b?k=v#fragment")), answered(204));
    let request = server.join().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.split("\r\n").map(str::to_owned).collect();
    assert_eq!(lines.remove(0), "POST /hooks/a%20b?k=v HTTP/1.1");
    lines.sort();
    let agent = format!("user-agent: thunderhead/{}", env!("CARGO_PKG_VERSION"));
    let host = format!("host: {address}");
    let expected = [
        "connection: close",
        "content-length: 24",
        "content-type: application/json",
        &host,
        &agent,
        "webhook-id: 42-9f86d081884c7d65",
        "webhook-signature: v1,c2lnbmF0dXJl",
        "webhook-timestamp: 1768478400",
    ];
    assert_eq!((lines, body), (expected.map(str::to_owned).to_vec(), r#"{"type":"session.ended"}"#));
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let to = format!("HTTP/1.1 307 T\r\nLocation: http://{}/\r\n\r\n", elsewhere.local_addr().unwrap());
    let (address, server) = serve(to.leak());
    assert_eq!(send(&WebhookClient::default(), &format!("http://{address}/")), answered(307));
    server.join().unwrap();
    assert_eq!(elsewhere.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn what_the_answer_says_of_when_to_ask_again_is_told() {
    let (address, server) = serve("HTTP/1.1 503 Later\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nlater");
    let told = WebhookAnswer { status: 503, retry_after: Some(7) };
    assert_eq!(send(&WebhookClient::default(), &format!("http://{address}/")), Ok(told));
    server.join().unwrap();
}

#[test]
fn a_body_without_end_changes_nothing() {
    let (address, server) = serve("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\nand so on");
    assert_eq!(send(&WebhookClient::default(), &format!("http://{address}/")), answered(200));
    server.join().unwrap();
}

#[test]
fn who_does_not_answer_in_time_has_not_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let client = WebhookClient::default().with_patience(Duration::from_millis(50));
    assert_eq!(send(&client, &url), Err(WebhookSendError::TimedOut));
}

#[test]
fn what_is_no_answer_is_none() {
    for nonsense in ["", "SSH-2.0-OpenSSH_9.9\r\n", "HTTP/1.1 abc\r\n\r\n"] {
        let (address, server) = serve(nonsense);
        let outcome = send(&WebhookClient::default(), &format!("http://{address}/"));
        assert!(matches!(outcome, Err(WebhookSendError::Broken(_))), "{nonsense:?}: {outcome:?}");
        server.join().unwrap();
    }
    let (address, server) = serve(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(MOST_OF_A_HEAD)).leak());
    assert!(matches!(send(&WebhookClient::default(), &format!("http://{address}/")), Err(WebhookSendError::Broken(_))));
    // It may have been cut off in the middle of it.
    drop(server.join());
    let gone = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let outcome = send(&WebhookClient::default(), &format!("http://{gone}/"));
    assert!(matches!(outcome, Err(WebhookSendError::Unreachable(_))), "{outcome:?}");
}

/// More than a head may have.
const MOST_OF_A_HEAD: usize = 1_024 * 1_024;

/// The address that is connected to is checked, whatever it was written as, and whatever it resolved to.
#[test]
fn no_spelling_and_no_name_leads_to_an_address_that_is_refused() {
    let refused = |text: &str| Err(WebhookSendError::Refused(text.parse().unwrap()));
    for (host, address) in [
        ("169.254.169.254", "169.254.169.254"),
        // As one number, in octal, in hexadecimal, shortened, with a dot behind it, in full-width digits.
        ("2852039166", "169.254.169.254"),
        ("0251.0376.0251.0376", "169.254.169.254"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("0xA9.0xfe.0xA9.0xFE", "169.254.169.254"),
        ("169.254.43518", "169.254.169.254"),
        ("169.254.169.254.", "169.254.169.254"),
        ("１６９.254.169.254", "169.254.169.254"),
        ("%31%36%39.254.169.254", "169.254.169.254"),
        ("0", "0.0.0.0"),
        ("0.0.0.0", "0.0.0.0"),
        ("100.100.100.200", "100.100.100.200"),
        ("[::]", "::"),
        ("[fe80::1]", "fe80::1"),
        ("[fd00:ec2::254]", "fd00:ec2::254"),
        ("[::ffff:169.254.169.254]", "::ffff:169.254.169.254"),
        ("[64:ff9b::a9fe:a9fe]", "64:ff9b::a9fe:a9fe"),
        ("[2002:a9fe:a9fe::1]", "2002:a9fe:a9fe::1"),
        // Who is named before the @ is nobody.
        ("hooks.example@169.254.169.254", "169.254.169.254"),
        ("hooks.example:443@169.254.169.254", "169.254.169.254"),
    ] {
        assert_eq!(send(&WebhookClient::default(), &format!("https://{host}/")), refused(address), "{host}");
    }
    for text in
        ["169.254.169.254", "0.0.0.0", "fe80::1", "::ffff:100.100.100.200", "64:ff9b::a9fe:a9fe", "fd00:ec2::254"]
    {
        let address: IpAddr = text.parse().unwrap();
        // Alone, and behind one that is not refused.
        for addresses in [vec![address], vec![IpAddr::from([203, 0, 113, 7]), address]] {
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 443)).collect();
            assert_eq!(send(&client_with(addresses), "https://hooks.example/"), refused(text), "{text}");
        }
    }
}

#[test]
fn without_tls_nothing_leaves_this_machine() {
    let elsewhere: SocketAddr = "203.0.113.7:80".parse().unwrap();
    let not = Err(WebhookSendError::NotLoopback(elsewhere.ip()));
    assert_eq!(send(&client_with(vec![elsewhere]), "http://localhost/"), not);
    assert_eq!(send(&WebhookClient::default(), "http://203.0.113.7/"), not);
    for url in ["ftp://127.0.0.1/", "file:///etc/passwd", "https:", "x", ""] {
        assert_eq!(send(&WebhookClient::default(), url), Err(WebhookSendError::Url), "{url}");
    }
    assert!(matches!(send(&client_with(vec![]), "https://hooks.example/"), Err(WebhookSendError::Unresolved(_))));
}

#[test]
fn of_several_addresses_the_first_that_takes_a_connection_is_used() {
    let (address, server) = serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let gone = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    assert_eq!(send(&client_with(vec![gone, address]), "http://localhost/"), answered(200));
    server.join().unwrap();
}

/// A certificate for `hooks.example`, signed by itself.
fn certificate() -> (X509, PKey<Private>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "hooks.example").unwrap();
    let name = name.build();
    let mut made = X509::builder().unwrap();
    made.set_version(2).unwrap();
    made.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    made.set_subject_name(&name).unwrap();
    made.set_issuer_name(&name).unwrap();
    made.set_pubkey(&key).unwrap();
    made.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    made.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    let names = SubjectAlternativeName::new().dns("hooks.example").build(&made.x509v3_context(None, None)).unwrap();
    made.append_extension(names).unwrap();
    made.sign(&key, MessageDigest::sha256()).unwrap();
    (made.build(), key)
}

/// A server behind TLS that answers 200, where it comes to that.
fn serve_tls(certificate: &X509, key: &PKey<Private>) -> (SocketAddr, JoinHandle<Option<String>>) {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_certificate(certificate).unwrap();
    acceptor.set_private_key(key).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (stream, _): (TcpStream, _) = listener.accept().unwrap();
        let mut stream = acceptor.accept(stream).ok()?;
        let request = read(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        drop(stream.shutdown());
        Some(request)
    });
    (address, server)
}

#[test]
fn a_certificate_must_be_trusted_and_be_that_of_the_host() {
    let (certificate, key) = certificate();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate.to_der().unwrap())).unwrap();
    for (trusts, host, taken) in [
        (true, "hooks.example", true),
        (true, "hooks.example.", true),
        (true, "other.example", false),
        (false, "hooks.example", false),
    ] {
        let (address, server) = serve_tls(&certificate, &key);
        let tls = if trusts { Tls::trusting(roots.clone()) } else { Tls::default() };
        let client = WebhookClient { tls, ..client_with(vec![address]) };
        let outcome = send(&client, &format!("https://{host}/in"));
        let request = server.join().unwrap();
        match outcome {
            Ok(answer) => assert!(taken && answer.status == 200 && request.unwrap().starts_with("POST /in "), "{host}"),
            Err(WebhookSendError::Tls(_)) => assert!(!taken && request.is_none(), "{host}"),
            Err(other) => panic!("{host}: {other}"),
        }
    }
}
