//! What a client shows to prove its user's identity: `password`, or the `2fa` answer to a challenge, or a `passkey` in
//! place of both (`docs/MODEL.md`, *Identity reverification*).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use thunderhead_auth::changes::Reverified;
use thunderhead_auth::credentials::challenge::{AnswerKind, FactorAnswer, ShownFactor};
use thunderhead_auth::credentials::passkey::ShownPasskey;
use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::credentials::reverify::IdentityProof;
use thunderhead_domain::authorization::Principal;

use crate::access::call::Call;
use crate::api::error::{ApiError, ChallengeBody};
use crate::api::fields::{PASSKEY_TOKEN, TOKEN};
use crate::api::webauthn_json;
use crate::request::body::{BodySchema, Field, Fields, Notes, Object, Rejection, RequestBody, body, component};

/// A proof that has been read but not checked: the other fields' errors come first.
pub(crate) enum ProofOfIdentity<C = Principal> {
    /// None is needed.
    Excused(Reverified<C>),
    Password(Password),
    SecondFactor(SecondFactorAnswer),
    Passkey(AnsweredPasskey),
    /// None yet: the challenge for a passkey is asked for.
    AskForPasskey,
}

/// A passkey's answer to a challenge.
pub(crate) struct AnsweredPasskey(pub(crate) ShownPasskey);

/// What stands in the place of a passkey's answer: it, or nothing, which asks for the challenge.
struct PasskeyIfAny(Option<AnsweredPasskey>);

/// The answer to a challenge. That its `type` is unknown is told after all that is missing.
pub(crate) struct SecondFactorAnswer {
    token: String,
    shown: Option<ShownFactor>,
}

body! {
    struct PasswordProof {
        password: Password,
    }
}

body! {
    struct SecondFactorProof {
        answer as "2fa": SecondFactorAnswer,
    }
}

body! {
    struct PasskeyProof {
        passkey: PasskeyIfAny,
    }
}

impl Field for AnsweredPasskey {
    fn read(value: Value, notes: &mut Notes) -> Option<Self> {
        let mut answer = Object::read(value, notes)?;
        let token = String::read(answer.remove("token")?, notes)?;
        let response = answer.remove("response").filter(Value::is_object)?;
        Some(Self(ShownPasskey { token, response }))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = BodySchema::named("PasskeyAnswer");
        schema.declare("token", json_schema!({"type": "string"}), true, "The challenge's.", &[json!(PASSKEY_TOKEN)]);
        schema.declare("response", webauthn_json::authentication_response(generator), true, "", &[]);
        component(generator, "PasskeyAnswer", schema.inline_schema())
    }
}

impl Field for PasskeyIfAny {
    fn read(value: Value, notes: &mut Notes) -> Option<Self> {
        match value.as_object() {
            Some(object) if object.is_empty() => Some(Self(None)),
            _ => AnsweredPasskey::read(value, notes).map(|answer| Self(Some(answer))),
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let answer = AnsweredPasskey::schema(generator);
        json_schema!({
            "description": "The answer to the challenge; empty, to be given one.",
            "oneOf": [answer, {"type": "object", "maxProperties": 0, "examples": [{}]}],
        })
    }
}

impl SecondFactorAnswer {
    pub(crate) fn parse(self) -> Result<FactorAnswer, ApiError> {
        let shown = self.shown.ok_or(ApiError::InvalidSecondFactorMethod)?;
        Ok(FactorAnswer { token: self.token.into(), shown })
    }
}

impl Field for SecondFactorAnswer {
    fn read(value: Value, notes: &mut Notes) -> Option<Self> {
        let mut answer = Object::read(value, notes)?;
        let mut text = |name| String::read(answer.remove(name)?, notes);
        let (token, kind) = (text("token")?, text("type")?);
        let shown = match AnswerKind::ALL.into_iter().find(|known| known.name() == kind) {
            None => None,
            Some(AnswerKind::Totp) => Some(ShownFactor::Totp(text("code")?.into())),
            Some(AnswerKind::Backup) => Some(ShownFactor::Backup(text("code")?.into())),
            Some(AnswerKind::Webauthn) => {
                Some(ShownFactor::Webauthn(answer.remove("response").filter(Value::is_object)?))
            }
        };
        Some(Self { token, shown })
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

impl JsonSchema for SecondFactorAnswer {
    fn schema_name() -> Cow<'static, str> {
        "SecondFactorAnswer".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let shapes = AnswerKind::ALL.map(|kind| answer_schema(kind, generator)).into_iter().reduce(BodySchema::or);
        json_schema!({
            "description": "The answer to a second-factor challenge, in place of the password.",
            "oneOf": shapes.unwrap_or_default().schema(generator)["oneOf"],
        })
    }
}

/// What an answer of this kind has.
fn answer_schema(kind: AnswerKind, generator: &mut SchemaGenerator) -> BodySchema {
    let (name, field, shown) = match kind {
        AnswerKind::Totp => ("TotpAnswer", "code", code("Six digits.", "123456")),
        AnswerKind::Backup => {
            let text = "A backup code; case, spaces and hyphens do not matter.";
            ("BackupCodeAnswer", "code", code(text, "MFRGG2-DFMZTW-Q2LKNM-YTCMJR"))
        }
        AnswerKind::Webauthn => ("WebauthnAnswer", "response", webauthn_json::authentication_response(generator)),
    };
    let mut schema = BodySchema::named(name);
    schema.declare("token", json_schema!({"type": "string"}), true, "The challenge's.", &[json!(TOKEN)]);
    schema.declare("type", json_schema!({"const": kind.name()}), true, "", &[]);
    schema.declare(field, shown, true, "", &[]);
    schema
}

fn code(text: &str, example: &str) -> Schema {
    json_schema!({"type": "string", "description": text, "examples": [example]})
}

impl ProofOfIdentity {
    /// The fields of a proof. Some callers need none unless it is `needed_by_all`: as generated clients do not all know
    /// how to leave out a body that has alternatives, they send an empty one.
    pub(crate) fn schema(generator: &mut SchemaGenerator, needed_by_all: bool) -> BodySchema {
        let proof = PasswordProof::schema(generator).or(SecondFactorProof::schema(generator));
        let proof = proof.or(PasskeyProof::schema(generator));
        if needed_by_all { proof } else { proof.or(BodySchema::named("NoProof")) }
    }
}

impl<C: AsRef<Principal> + Clone> ProofOfIdentity<C> {
    /// Reads what the caller has to show.
    fn read(fields: &mut Fields, caller: &C) -> Option<Self> {
        match Reverified::excused(caller.clone()) {
            Some(excused) => Some(Self::Excused(excused)),
            None if fields.has("2fa") => SecondFactorProof::read(fields).map(|shown| Self::SecondFactor(shown.answer)),
            None if fields.has("passkey") => PasskeyProof::read(fields).map(|shown| match shown.passkey.0 {
                Some(answer) => Self::Passkey(answer),
                None => Self::AskForPasskey,
            }),
            None => PasswordProof::read(fields).map(|shown| Self::Password(shown.password)),
        }
    }

    /// Has it checked.
    pub(crate) async fn verify(self, call: &Call, caller: &C) -> Result<Reverified<C>, ApiError> {
        let proof = match self {
            Self::Excused(excused) => return Ok(excused),
            Self::Password(password) => IdentityProof::Password(password),
            Self::SecondFactor(answer) => IdentityProof::SecondFactor(answer.parse()?),
            Self::Passkey(AnsweredPasskey(shown)) => IdentityProof::Passkey(shown),
            Self::AskForPasskey => {
                let asked = call.auth().reverification.ask_for_passkey(caller.as_ref(), call.endpoint()).await?;
                let challenge = asked.ok_or(ApiError::InvalidSecondFactorMethod)?;
                return Err(ApiError::SecondFactorChallengeRequired(Box::new(ChallengeBody::from(challenge))));
            }
        };
        Ok(call.auth().reverification.reverify(caller.clone(), proof, call.endpoint()).await?)
    }
}

/// Reads a body, and the proof of identity that stands last in it.
pub(crate) async fn body_and_proof<T: RequestBody, C: AsRef<Principal> + Clone>(
    call: &Call,
    caller: &C,
) -> Result<(T, ProofOfIdentity<C>), ApiError> {
    Ok(read_with_proof(call.fields().await?, caller)?)
}

/// The same of fields that have been read.
pub(crate) fn read_with_proof<T: RequestBody, C: AsRef<Principal> + Clone>(
    mut fields: Fields,
    caller: &C,
) -> Result<(T, ProofOfIdentity<C>), Rejection> {
    let body = T::read(&mut fields);
    let proof = ProofOfIdentity::read(&mut fields, caller);
    fields.finish(body.zip(proof))
}

/// For an endpoint whose body proves identity and says nothing else.
pub(crate) async fn only_identity<C: AsRef<Principal> + Clone>(
    call: &Call,
    caller: &C,
) -> Result<Reverified<C>, ApiError> {
    let ((), proof) = body_and_proof(call, caller).await?;
    proof.verify(call, caller).await
}
