//! The public key of a program that was moved away from, as its operator has it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::JoseError;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::EcKey;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::x509::X509;
use serde_json::json;
use sha2::{Digest, Sha256};
use thunderhead_domain::id::VerificationKeyId;
use thunderhead_domain::import::VerificationKey;
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

/// The longest text that is looked at, in bytes: certificates are a few thousand long.
const LONGEST: usize = 64 * 1_024;
/// Bytes of a coordinate on the curve P-256.
const COORDINATE: i32 = 32;

/// A text that no verify-only key is made of.
#[derive(Debug, thiserror::Error)]
pub enum InvalidVerificationKey {
    /// It is more than is needed, and nothing of it is read.
    #[error("this is a private key: give the certificate or the public key alone")]
    Private,
    /// It is neither a certificate nor a public key.
    #[error("this is neither a certificate nor a public key in PEM")]
    Pem,
    /// It is a key that signs no such tokens.
    #[error("the key is none on the curve P-256, which ES256 wants")]
    Curve,
    /// OpenSSL refused.
    #[error("the key cannot be read: {0}")]
    Crypto(#[from] ErrorStack),
    /// It is no key for tokens.
    #[error("the key cannot be used: {0}")]
    Key(#[from] JoseError),
}

/// The verify-only key of a certificate or a public key in PEM, for tokens with this `iss`, or without one.
///
/// # Errors
/// [`InvalidVerificationKey`].
pub fn verification_key(
    pem: &str,
    issuer: Option<String>,
    now: Timestamp,
) -> Result<VerificationKey, InvalidVerificationKey> {
    if pem.contains("PRIVATE KEY") {
        return Err(InvalidVerificationKey::Private);
    }
    let is_certificate = pem.contains("-----BEGIN CERTIFICATE-----");
    if pem.len() > LONGEST || !(is_certificate || pem.contains("-----BEGIN PUBLIC KEY-----")) {
        return Err(InvalidVerificationKey::Pem);
    }
    let key = if is_certificate {
        X509::from_pem(pem.as_bytes()).and_then(|certificate| certificate.public_key())
    } else {
        PKey::public_key_from_pem(pem.as_bytes())
    };
    let key = key.map_err(|_| InvalidVerificationKey::Pem)?.ec_key().map_err(|_| InvalidVerificationKey::Curve)?;
    let [x, y] = coordinates(&key)?;
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(&x), "y": URL_SAFE_NO_PAD.encode(&y) });
    Ok(VerificationKey { id: id(&x, &y, issuer.as_deref()), jwk: jwk.to_string(), issuer, created_at: now })
}

fn coordinates(key: &EcKey<Public>) -> Result<[Vec<u8>; 2], InvalidVerificationKey> {
    if key.group().curve_name() != Some(Nid::X9_62_PRIME256V1) {
        return Err(InvalidVerificationKey::Curve);
    }
    let (mut x, mut y, mut context) = (BigNum::new()?, BigNum::new()?, BigNumContext::new()?);
    key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context)?;
    Ok([x.to_vec_padded(COORDINATE)?, y.to_vec_padded(COORDINATE)?])
}

/// The same key with the same `iss` is the same: a second run finds it again.
fn id(x: &[u8], y: &[u8], issuer: Option<&str>) -> VerificationKeyId {
    let mut hash = Sha256::new();
    hash.update(b"thunderhead: verify-only key\0");
    hash.update(x);
    hash.update(y);
    match issuer {
        Some(issuer) => hash.update([b"iss\0", issuer.as_bytes()].concat()),
        None => hash.update(b"no iss"),
    }
    let hash = hash.finalize();
    VerificationKeyId(Uuid::from_bytes(std::array::from_fn(|index| hash[index])))
}

#[cfg(test)]
mod tests {
    use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
    use josekit::jws::ES256;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    /// Made by OpenSSL for these tests; the key that signed it is gone.
    const CERTIFICATE: &str = "\
        -----BEGIN CERTIFICATE-----\n\
        MIIBdjCCAR2gAwIBAgIUWmr6czkDsRT3Y2FI2mpL0EiV47AwCgYIKoZIzj0EAwIw\n\
        EDEOMAwGA1UEAwwFdGVzdHMwIBcNMjYxMTI4MjI1MjA0WhgPMjEyNjExMDQyMjUy\n\
        MDRaMBAxDjAMBgNVBAMMBXRlc3RzMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n\
        oeoIsp7575zLUY3YU3E6BfoZCg1kc60PRKbzKcwwA8NTkrDXoJKgLa1CUbwEZmoa\n\
        FVsMvwPD1nzH4+qzZ3A1yqNTMFEwHQYDVR0OBBYEFGTwZGGHv5vhwbJjzMJaxiwx\n\
        oJDdMB8GA1UdIwQYMBaAFGTwZGGHv5vhwbJjzMJaxiwxoJDdMA8GA1UdEwEB/wQF\n\
        MAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgIdj8wFU87r5jsubwvBxxLLP514XbNRzP\n\
        P8x1I1vro7MCIF4U3w286L2gdrttRrUqTTzsT1IQyg5ez8LX0HxqyXs0\n\
        -----END CERTIFICATE-----";
    const PUBLIC: &str = "\
        -----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEoeoIsp7575zLUY3YU3E6BfoZCg1k\n\
        c60PRKbzKcwwA8NTkrDXoJKgLa1CUbwEZmoaFVsMvwPD1nzH4+qzZ3A1yg==\n\
        -----END PUBLIC KEY-----";

    fn text(pair: &EcKeyPair) -> String {
        String::from_utf8(pair.to_pem_public_key()).unwrap()
    }

    #[test]
    fn a_certificate_and_its_public_key_are_the_same_key() {
        let of = |pem: &str, issuer: Option<&str>| verification_key(pem, issuer.map(str::to_owned), NOW).unwrap();
        assert_eq!(of(CERTIFICATE, Some("a")), of(PUBLIC, Some("a")));
        let ids = [of(PUBLIC, Some("a")), of(PUBLIC, Some("b")), of(PUBLIC, None)].map(|key| key.id);
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
        let jwk = josekit::jwk::Jwk::from_bytes(of(PUBLIC, None).jwk).unwrap();
        assert!(ES256.verifier_from_jwk(&jwk).is_ok() && jwk.parameter("d").is_none());
    }

    #[test]
    fn nothing_else_is_taken() {
        let pair = EcKeyPair::generate(EcCurve::P256).unwrap();
        let private = String::from_utf8(pair.to_pem_private_key()).unwrap();
        let both = format!("{CERTIFICATE}\n{private}");
        for pem in [private.as_str(), &both, &String::from_utf8(pair.to_traditional_pem_private_key()).unwrap()] {
            assert!(matches!(verification_key(pem, None, NOW), Err(InvalidVerificationKey::Private)));
        }
        let other = EcKeyPair::generate(EcCurve::P384).unwrap();
        assert!(matches!(verification_key(&text(&other), None, NOW), Err(InvalidVerificationKey::Curve)));
        for pem in
            ["", "localhost", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", &"x".repeat(70_000)]
        {
            assert!(matches!(verification_key(pem, None, NOW), Err(InvalidVerificationKey::Pem)), "{pem:.40}");
        }
    }
}
