//! Security keys (WebAuthn) as a second factor beside the password: no attestation, no user verification, an exact
//! list of origins. And passkeys, in place of both: keys that are found without being named, and that verify their user.
//! What clients get and give are the JSON forms of the WebAuthn standard, level 3
//! (`PublicKeyCredentialCreationOptionsJSON`, `RegistrationResponseJSON` and so on).
//!
//! Challenges come from the crate's own generator, which is seeded by the system: the one thing here that is not drawn
//! from the injected random source, because the crate takes none.

mod relying_party;

use std::error::Error;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thunderhead_domain::factor::{FactorMaterial, WebauthnKey};
use uuid::Uuid;
use webauthn_rs::Webauthn;
use webauthn_rs::prelude::{
    AuthenticationResult, Base64UrlSafeData, COSEKey, Credential, DiscoverableAuthentication, DiscoverableKey, Passkey,
    PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, SecurityKey, SecurityKeyAuthentication,
    SecurityKeyRegistration,
};

use crate::error::InternalError;

use self::relying_party::CheckedOrigins;
pub use self::relying_party::{InvalidRelyingParty, RelyingParty};

/// A registration that waits for the key's answer: text for the database. It must stay on the server.
#[derive(Debug)]
pub struct PendingRegistration(pub String);

/// An authentication that waits for the key's answer: text for the database. It must stay on the server.
#[derive(Debug)]
pub struct PendingAuthentication(pub String);

/// A key that was registered.
#[derive(Debug)]
pub struct NewKey {
    /// Its id, unique in the world.
    pub credential_id: Vec<u8>,
    /// What [`SecurityKeys::begin_authentication`] wants of it: text for the database.
    pub credential: String,
    /// How often it says that it was used; 0 where it does not count.
    pub sign_count: u32,
    /// Whether it may be copied to its owner's other devices.
    pub synced: bool,
}

/// An answer by a passkey that says whose it is. Nothing of it is proved yet.
#[derive(Debug)]
pub struct PasskeyResponse {
    /// The user, by the handle that the passkey was registered with. One that was named need not say it.
    pub user: Option<Uuid>,
    /// Which passkey it is.
    pub credential_id: Vec<u8>,
    response: PublicKeyCredential,
}

/// A key that proved itself.
#[derive(Debug)]
pub struct Asserted {
    /// Which one.
    pub credential_id: Vec<u8>,
    /// How often it says that it was used. Here it was greater than when the challenge was made, or both were 0; who
    /// stores it must see to it that the same holds of what is stored by now.
    pub sign_count: u32,
    result: AuthenticationResult,
}

impl NewKey {
    fn of(key: Credential, credential: String) -> Self {
        let synced = key.backup_eligible;
        Self { credential_id: key.cred_id.into(), credential, sign_count: key.counter, synced }
    }

    /// What is stored of it as a passkey.
    pub(crate) fn into_passkey(self) -> FactorMaterial {
        let Self { credential_id, credential, sign_count, synced } = self;
        FactorMaterial::Passkey { credential_id, credential, sign_count, synced }
    }
}

impl Asserted {
    fn of(result: AuthenticationResult) -> Self {
        Self { credential_id: result.cred_id().to_vec(), sign_count: result.counter(), result }
    }

    /// The key's stored text with what this proof brought, to be stored in its place.
    ///
    /// # Errors
    /// A defect where the stored text cannot be read or is another key's.
    pub fn refreshed(&self, credential: &str) -> Result<String, WebauthnError> {
        let mut key: SecurityKey = stored(credential)?;
        if key.update_credential(&self.result).is_none() {
            return Err(WebauthnError::Defect("the stored security key is another one".into()));
        }
        text(&key)
    }
}

/// Why a ceremony with a security key failed.
#[derive(Debug, thiserror::Error)]
pub enum WebauthnError {
    /// The client's answer is no good, whatever is wrong with it: the reason is for the log.
    #[error("the security key's answer was refused: {0}")]
    Refused(String),
    /// Something on this side is not as it must be: trying again will not help.
    #[error("a ceremony with a security key cannot be carried out")]
    Defect(#[source] Box<dyn Error + Send + Sync>),
}

impl From<WebauthnError> for InternalError {
    fn from(error: WebauthnError) -> Self {
        Self::cryptography(error)
    }
}

/// Registers security keys and checks them.
#[derive(Debug)]
pub struct SecurityKeys {
    webauthn: Webauthn,
    id: String,
    name: String,
    origins: Vec<String>,
    related_origins: Vec<String>,
}

impl SecurityKeys {
    /// For a relying party.
    ///
    /// # Errors
    /// Where no browser would work with it.
    pub fn new(relying_party: RelyingParty) -> Result<Self, InvalidRelyingParty> {
        let (webauthn, CheckedOrigins { own, related }) = relying_party.check()?;
        let origins = own.into_iter().chain(related.iter().cloned()).collect();
        let RelyingParty { id, name, .. } = relying_party;
        Ok(Self { webauthn, id, name, origins, related_origins: related })
    }

    /// The domain that keys are bound to.
    pub fn relying_party_id(&self) -> &str {
        &self.id
    }

    /// The origins elsewhere where keys may be used as well, as browsers look them up.
    pub fn related_origins(&self) -> &[String] {
        &self.related_origins
    }

    /// The name of the relying party: what people see, in a browser's dialogue and in an authenticator app.
    pub fn relying_party_name(&self) -> &str {
        &self.name
    }

    /// Asks for a new key; those that are known already are not to be registered again. Returns the
    /// `PublicKeyCredentialCreationOptionsJSON` for the client, and what the server keeps.
    ///
    /// # Errors
    /// A defect.
    pub fn begin_registration(
        &self,
        user: Uuid,
        user_name: &str,
        known: &[Vec<u8>],
    ) -> Result<(Value, PendingRegistration), WebauthnError> {
        let known = known.iter().map(|id| id.clone().into()).collect();
        let (options, pending) = self
            .webauthn
            .start_securitykey_registration(user, user_name, user_name, Some(known), None, None)
            .map_err(defect)?;
        Ok((for_any_authenticator(&options.public_key)?, PendingRegistration(text(&pending)?)))
    }

    /// Checks a new key's `RegistrationResponseJSON`.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub fn finish_registration(
        &self,
        pending: &PendingRegistration,
        response: &Value,
    ) -> Result<NewKey, WebauthnError> {
        let pending: SecurityKeyRegistration = stored(&pending.0)?;
        let response = self.registration(response)?;
        let key = self.webauthn.finish_securitykey_registration(&response, &pending).map_err(refused)?;
        let credential = text(&key)?;
        Ok(NewKey::of(key.into(), credential))
    }

    fn registration(&self, response: &Value) -> Result<RegisterPublicKeyCredential, WebauthnError> {
        let response: RegisterPublicKeyCredential = answer(response)?;
        self.check_client(&response.type_, response.response.client_data_json.as_slice())?;
        Ok(response)
    }

    /// Asks for a new passkey: one that is found without being named, and that verifies its user. Those that are known
    /// already are not to be registered again.
    ///
    /// # Errors
    /// A defect.
    pub fn begin_passkey_registration(
        &self,
        user: Uuid,
        user_name: &str,
        known: &[Vec<u8>],
    ) -> Result<(Value, PendingRegistration), WebauthnError> {
        let known = known.iter().map(|id| id.clone().into()).collect();
        let begun = self.webauthn.start_passkey_registration(user, user_name, user_name, Some(known));
        let (options, pending) = begun.map_err(defect)?;
        let mut options = for_any_authenticator(&options.public_key)?;
        // The crate leaves it to the authenticator whether it finds the key again by itself.
        options["authenticatorSelection"]["residentKey"] = "required".into();
        options["authenticatorSelection"]["requireResidentKey"] = true.into();
        Ok((options, PendingRegistration(text(&pending)?)))
    }

    /// Checks a new passkey's `RegistrationResponseJSON`.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub fn finish_passkey_registration(
        &self,
        pending: &PendingRegistration,
        response: &Value,
    ) -> Result<NewKey, WebauthnError> {
        let pending: PasskeyRegistration = stored(&pending.0)?;
        let response = self.registration(response)?;
        // Not all browsers say whether the authenticator finds it again; one that says no is believed.
        if response.extensions.cred_props.as_ref().is_some_and(|properties| properties.rk == Some(false)) {
            return Err(WebauthnError::Refused("it would not be found without being named".to_owned()));
        }
        let key = self.webauthn.finish_passkey_registration(&response, &pending).map_err(refused)?;
        let credential = text(&key)?;
        Ok(NewKey::of(key.into(), credential))
    }

    /// Asks for a proof by whichever passkey the client finds. Returns the `PublicKeyCredentialRequestOptionsJSON`, and
    /// what the answer is checked against; there is nothing in it that the client does not know.
    ///
    /// # Errors
    /// A defect.
    pub fn begin_passkey_authentication(&self) -> Result<(Value, PendingAuthentication), WebauthnError> {
        let (options, pending) = self.webauthn.start_discoverable_authentication().map_err(defect)?;
        let mut options = for_any_authenticator(&options.public_key)?;
        // How the user was verified is nobody's business here.
        if let Some(fields) = options.as_object_mut() {
            fields.remove("extensions");
        }
        Ok((options, PendingAuthentication(text(&pending)?)))
    }

    /// Reads a passkey's `AuthenticationResponseJSON`, as far as no key is needed for it.
    ///
    /// # Errors
    /// [`WebauthnError::Refused`].
    pub fn read_passkey_response(&self, response: &Value) -> Result<PasskeyResponse, WebauthnError> {
        let response: PublicKeyCredential = answer(response)?;
        self.check_client(&response.type_, response.response.client_data_json.as_slice())?;
        let credential_id = response.get_credential_id().to_vec();
        let user = match response.get_user_unique_id() {
            Some(handle) => Some(Uuid::from_slice(handle).map_err(refused)?),
            None => None,
        };
        Ok(PasskeyResponse { user, credential_id, response })
    }

    /// What names a passkey in options: its id, and how the client may reach it.
    pub fn descriptor(&self, key: &WebauthnKey) -> Value {
        let id = URL_SAFE_NO_PAD.encode(&key.credential_id);
        let mut descriptor = json!({"type": "public-key", "id": id});
        if let Some(transports) = stored(&key.credential).ok().and_then(|key: Passkey| Credential::from(key).transports)
        {
            descriptor["transports"] = json!(transports);
        }
        descriptor
    }

    /// Checks a passkey's answer: `credential` is the key that it names, as it is stored.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub fn finish_passkey_authentication(
        &self,
        pending: &PendingAuthentication,
        response: &PasskeyResponse,
        credential: &str,
    ) -> Result<Asserted, WebauthnError> {
        let pending: DiscoverableAuthentication = stored(&pending.0)?;
        let key = DiscoverableKey::from(stored::<Passkey>(credential)?);
        let finished = self.webauthn.finish_discoverable_authentication(&response.response, pending, &[key]);
        Ok(Asserted::of(finished.map_err(refused)?))
    }

    /// Whether a stored key can be read; one that cannot is logged, and must not stop the others.
    pub fn can_read(&self, key: &WebauthnKey) -> bool {
        let read = stored::<SecurityKey>(&key.credential);
        if let Err(error) = &read {
            tracing::error!(error = error as &dyn Error, factor = %key.factor, "a security key cannot be read");
        }
        read.is_ok()
    }

    /// Asks for a proof by one of some keys, given as they are stored. Returns the
    /// `PublicKeyCredentialRequestOptionsJSON` for the client, and what the server keeps.
    ///
    /// # Errors
    /// A defect; a stored key that cannot be read is one.
    pub fn begin_authentication(&self, keys: &[&str]) -> Result<(Value, PendingAuthentication), WebauthnError> {
        let keys = keys.iter().map(|key| stored(key)).collect::<Result<Vec<SecurityKey>, _>>()?;
        let (options, pending) = self.webauthn.start_securitykey_authentication(&keys).map_err(defect)?;
        Ok((for_any_authenticator(&options.public_key)?, PendingAuthentication(text(&pending)?)))
    }

    /// Checks a key's `AuthenticationResponseJSON`.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub fn finish_authentication(
        &self,
        pending: &PendingAuthentication,
        response: &Value,
    ) -> Result<Asserted, WebauthnError> {
        let pending: SecurityKeyAuthentication = stored(&pending.0)?;
        let response: PublicKeyCredential = answer(response)?;
        self.check_client(&response.type_, response.response.client_data_json.as_slice())?;
        let result = self.webauthn.finish_securitykey_authentication(&response, &pending).map_err(refused)?;
        Ok(Asserted::of(result))
    }

    /// What the crate takes less strictly than we do: the origin as the browser wrote it must be one of ours, letter by
    /// letter, and a page of ours that another site has framed does not count, at any ceremony.
    fn check_client(&self, kind: &str, client_data: &[u8]) -> Result<(), WebauthnError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct ClientData {
            origin: String,
            cross_origin: Option<bool>,
        }
        let client: ClientData = serde_json::from_slice(client_data).map_err(refused)?;
        let reason = match (kind, client.cross_origin) {
            ("public-key", None | Some(false)) if self.origins.contains(&client.origin) => return Ok(()),
            ("public-key", None | Some(false)) => "its origin is not one of ours",
            ("public-key", Some(true)) => "it was given within a frame of another site",
            _ => "it is no public-key credential",
        };
        Err(WebauthnError::Refused(reason.to_owned()))
    }
}

/// A key that was registered with another program of the same relying party, by its public key in COSE (RFC 9052): what a
/// registration here would have stored.
pub(crate) fn imported_key(
    credential_id: Vec<u8>,
    public_key: &[u8],
    sign_count: u32,
    backup_eligible: bool,
) -> Result<NewKey, WebauthnError> {
    let public_key: serde_cbor_2::Value = serde_cbor_2::from_slice(public_key).map_err(refused)?;
    let public_key = COSEKey::try_from(&public_key).map_err(refused)?;
    let credential = json!({
        "cred_id": Base64UrlSafeData::from(credential_id.clone()),
        "cred": public_key,
        "counter": sign_count,
        "transports": null,
        "user_verified": false,
        "backup_eligible": backup_eligible,
        "backup_state": backup_eligible,
        "registration_policy": "discouraged",
        "extensions": {},
        "attestation": { "data": "None", "metadata": "None" },
        "attestation_format": "none",
    });
    let credential: Credential = serde_json::from_value(credential).map_err(refused)?;
    Ok(NewKey { credential_id, credential: text(&SecurityKey::from(credential))?, sign_count, synced: backup_eligible })
}

/// The options as the client gets them. The hint that nothing but a security key will do is left out: the device that
/// the client runs on may serve as well.
fn for_any_authenticator(options: &impl Serialize) -> Result<Value, WebauthnError> {
    let mut options = serde_json::to_value(options).map_err(defect)?;
    if let Some(fields) = options.as_object_mut() {
        fields.remove("hints");
    }
    Ok(options)
}

fn text(value: &impl Serialize) -> Result<String, WebauthnError> {
    serde_json::to_string(value).map_err(defect)
}

fn stored<T: DeserializeOwned>(text: &str) -> Result<T, WebauthnError> {
    serde_json::from_str(text).map_err(defect)
}

fn answer<T: DeserializeOwned>(response: &Value) -> Result<T, WebauthnError> {
    // The parser's words would repeat what was sent.
    T::deserialize(response).map_err(|_| WebauthnError::Refused("it is not of the form of an answer".to_owned()))
}

fn defect(error: impl Error + Send + Sync + 'static) -> WebauthnError {
    WebauthnError::Defect(Box::new(error))
}

fn refused(error: impl Error) -> WebauthnError {
    WebauthnError::Refused(error.to_string())
}

#[cfg(test)]
mod tests;
