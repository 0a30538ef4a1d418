//! A security key and the browser around it, in software: it answers WebAuthn's options as `credential.toJSON()` does,
//! and it can be told to lie about anything that a server must check.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;
use openssl::sign::Signer;
use serde_json::{Value, json};

/// Flag: somebody touched the key.
pub const USER_PRESENT: u8 = 0x01;
/// Flag: the key knows who touched it.
pub const USER_VERIFIED: u8 = 0x04;
/// Flags: the key may be copied to other devices, and is.
const SYNCED: u8 = 0x18;
/// Flag: a new key is described in what follows.
const ATTESTED: u8 = 0x40;

/// What is to be other than it should be. Nothing, by default.
#[derive(Clone, Debug, Default)]
pub struct Forgery {
    /// The `type` that the browser is to note.
    pub client_type: Option<String>,
    /// The challenge that the browser is to note.
    pub challenge: Option<Vec<u8>>,
    /// The relying party that the key is to answer for.
    pub rp_id: Option<String>,
    /// The flags, in place of "somebody touched the key", and of the user's verification where it is asked for.
    pub flags: Option<u8>,
    /// Whether the browser is to note that another site framed the page.
    pub cross_origin: bool,
    /// Whether the signature is to be spoilt.
    pub bad_signature: bool,
    /// The credential id to claim, whoever it belongs to.
    pub credential_id: Option<Vec<u8>>,
    /// Whether to answer with the first key there is, asked for or not.
    pub any_key: bool,
    /// The `userHandle` to send: by default that of a key which was not named, and none of one that was.
    pub user_handle: Option<Vec<u8>>,
}

/// A security key with what it keeps.
pub struct Authenticator {
    /// What it is to lie about.
    pub forgery: Forgery,
    /// How often it was used; it goes up by `step` before each answer.
    pub counter: u32,
    /// By how much the counter goes up: 0 for a key that does not count.
    pub step: u32,
    /// Whether its keys are copied to other devices.
    pub synced: bool,
    keys: Vec<StoredKey>,
}

struct StoredKey {
    id: Vec<u8>,
    rp_id: String,
    key: PKey<Private>,
    /// Of a key that is found without being named: whose it is.
    user_handle: Option<String>,
}

impl Default for Authenticator {
    fn default() -> Self {
        Self { forgery: Forgery::default(), counter: 0, step: 1, synced: false, keys: Vec::new() }
    }
}

impl Authenticator {
    /// A key that does not count its uses.
    pub fn without_counter() -> Self {
        Self { step: 0, ..Self::default() }
    }

    /// Makes a key pair: `PublicKeyCredentialCreationOptionsJSON` to `RegistrationResponseJSON`, on a page of `origin`.
    pub fn register(&mut self, options: &Value, origin: &str) -> Value {
        let rp_id = options["rp"]["id"].as_str().expect("rp.id").to_owned();
        let mut id = vec![0; 32];
        openssl::rand::rand_bytes(&mut id).expect("random bytes");
        let id = self.forgery.credential_id.clone().unwrap_or(id);
        let (key, cose_key) = new_key();
        let client_data = self.client_data("webauthn.create", options, origin);
        let selection = &options["authenticatorSelection"];
        let is_resident = selection["residentKey"] == "required";
        let mut authenticator_data = self.authenticator_data(&rp_id, &selection["userVerification"], ATTESTED);
        // The model of the key: unknown.
        authenticator_data.extend([0; 16]);
        authenticator_data.extend(u16::try_from(id.len()).expect("a short id").to_be_bytes());
        authenticator_data.extend(&id);
        authenticator_data.extend(cose_key);
        let public_key = key.public_key_to_der().expect("a public key");
        let user_handle = is_resident.then(|| options["user"]["id"].as_str().expect("user.id").to_owned());
        self.keys.push(StoredKey { id: id.clone(), rp_id, key, user_handle });
        json!({
            "id": text(&id),
            "rawId": text(&id),
            "type": "public-key",
            "authenticatorAttachment": "cross-platform",
            "clientExtensionResults": { "credProps": { "rk": is_resident } },
            "response": {
                "attestationObject": text(&attestation_object(&authenticator_data)),
                "authenticatorData": text(&authenticator_data),
                "clientDataJSON": text(&client_data),
                "publicKey": text(&public_key),
                "publicKeyAlgorithm": -7,
                "transports": ["usb", "smart-card"],
            },
        })
    }

    /// Proves that it has one of the keys that are asked for: `PublicKeyCredentialRequestOptionsJSON` to
    /// `AuthenticationResponseJSON`, on a page of `origin`.
    pub fn assert(&mut self, options: &Value, origin: &str) -> Value {
        let rp_id = options["rpId"].as_str().expect("rpId").to_owned();
        let client_data = self.client_data("webauthn.get", options, origin);
        let authenticator_data = self.authenticator_data(&rp_id, &options["userVerification"], 0);
        let stored = self.keys.iter().find(|key| self.forgery.any_key || key.is_asked_for(options, &rp_id));
        let stored = stored.expect("none of this authenticator's keys is asked for");
        let mut signer = Signer::new(MessageDigest::sha256(), &stored.key).expect("a signer");
        let signed = [authenticator_data.as_slice(), &sha256(&client_data)].concat();
        let mut signature = signer.sign_oneshot_to_vec(&signed).expect("a signature");
        if self.forgery.bad_signature {
            // The last byte of the second number: the form stays that of a signature.
            *signature.last_mut().expect("a signature") ^= 1;
        }
        let id = self.forgery.credential_id.as_ref().unwrap_or(&stored.id);
        let own_handle = stored.user_handle.clone().filter(|_| allowed(options).is_empty());
        let user_handle = self.forgery.user_handle.as_deref().map(text).or(own_handle);
        json!({
            "id": text(id),
            "rawId": text(id),
            "type": "public-key",
            "authenticatorAttachment": "cross-platform",
            "clientExtensionResults": {},
            "response": {
                "authenticatorData": text(&authenticator_data),
                "clientDataJSON": text(&client_data),
                "signature": text(&signature),
                "userHandle": user_handle,
            },
        })
    }

    /// What the browser notes.
    fn client_data(&self, kind: &str, options: &Value, origin: &str) -> Vec<u8> {
        let asked = options["challenge"].as_str().expect("challenge").to_owned();
        let challenge = self.forgery.challenge.as_deref().map_or(asked, text);
        let kind = self.forgery.client_type.as_deref().unwrap_or(kind);
        let noted = json!({
            "type": kind,
            "challenge": challenge,
            "origin": origin,
            "crossOrigin": self.forgery.cross_origin,
        });
        noted.to_string().into_bytes()
    }

    /// What the key says of itself (WebAuthn level 3, §6.1), as far as it is the same for both ceremonies.
    fn authenticator_data(&mut self, rp_id: &str, user_verification: &Value, further_flags: u8) -> Vec<u8> {
        self.counter += self.step;
        let rp_id = self.forgery.rp_id.as_deref().unwrap_or(rp_id);
        let verified =
            if matches!(user_verification.as_str(), Some("required" | "preferred")) { USER_VERIFIED } else { 0 };
        let synced = if self.synced { SYNCED } else { 0 };
        let flags = self.forgery.flags.unwrap_or(USER_PRESENT | verified | synced) | further_flags;
        [sha256(rp_id.as_bytes()).as_slice(), &[flags], &self.counter.to_be_bytes()].concat()
    }
}

impl StoredKey {
    fn is_asked_for(&self, options: &Value, rp_id: &str) -> bool {
        let allowed = allowed(options);
        let is_named = || allowed.iter().any(|allowed| allowed["id"] == text(&self.id));
        let is_found = || allowed.is_empty() && self.user_handle.is_some();
        self.rp_id == rp_id && (is_named() || is_found())
    }
}

/// The keys that options name.
fn allowed(options: &Value) -> &[Value] {
    options["allowCredentials"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A key pair on P-256, with its public half as a COSE key for ES256 (RFC 9053 §7.1.1).
fn new_key() -> (PKey<Private>, Vec<u8>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    let key = EcKey::generate(&group).expect("a key pair");
    let mut context = BigNumContext::new().expect("a context");
    let (mut x, mut y) = (BigNum::new().expect("a number"), BigNum::new().expect("a number"));
    key.public_key().affine_coordinates(&group, &mut x, &mut y, &mut context).expect("coordinates");
    let [x, y] = [x, y].map(|number| number.to_vec_padded(32).expect("32 bytes"));
    // A map of five: key type EC2, algorithm ES256, curve P-256, and two byte strings.
    let cose_key = [
        &[0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20],
        x.as_slice(),
        &[0x22, 0x58, 0x20],
        y.as_slice(),
    ];
    (PKey::from_ec_key(key).expect("a key pair"), cose_key.concat())
}

/// A map of three in CBOR: format "none", an empty statement, and what the key said.
fn attestation_object(authenticator_data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(authenticator_data.len()).expect("a short answer").to_be_bytes();
    let head: &[u8] = b"\xA3\x63fmt\x64none\x67attStmt\xA0\x68authData\x59";
    [head, &length, authenticator_data].concat()
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
