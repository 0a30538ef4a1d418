//! The structures of the current dialect as JSON (`docs/MODEL.md`).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};
use thunderhead_auth::credentials::backup::{self, BackupCode};
use thunderhead_auth::credentials::passkey::PasskeyChallenge;
use thunderhead_auth::factors::enrolment::{NewlyEnrolled, TotpOffer, WebauthnOffer};
use thunderhead_auth::sessions::opening::Issued;
use thunderhead_domain::factor::{Factor, FactorId, FactorKind, FactorName};
use thunderhead_domain::id::{SessionUuid, UserId, UserUuid};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::{Grant, Session};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;

use crate::api::fields::{PASSKEY_TOKEN, PermissionFlags, TOKEN};
use crate::api::webauthn_json::{CreationOptions, RequestOptions};
use crate::json_object::{JsonObject, member};
use crate::wire::{EmailText, Expiry, SessionNameText, SessionNumber, UsernameText, Wire, constants, value_schemas};

/// How long a session or a user seldom exceeds, in bytes.
const USUAL_LENGTH: usize = 384;

value_schemas! {
    TokenText: {
        "type": "string",
        "description": "The session's token, for `Authorization`. It is shown this once.",
        "pattern": "^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$",
        "examples": [TOKEN],
    };
    FactorNameText: {"type": "string", "minLength": 1, "maxLength": FactorName::MAX, "examples": ["My phone"]};
    FactorKindName: {"enum": FactorKind::ALL.map(FactorKind::name), "examples": ["totp"]};
    CodeList: {
        "type": "array",
        "description": format!("{} backup codes, each good for once.", backup::CODES),
        "items": {
            "type": "string",
            "pattern": "^[A-Z2-7]{6}(-[A-Z2-7]{6}){3}$",
            "examples": ["MFRGG2-DFMZTW-Q2LKNM-YTCMJR"],
        },
    };
    OfferToken: {"type": "string", "description": "For the confirmation.", "examples": [TOKEN]};
    OfferExpiry: {
        "type": "integer",
        "description": "When it stops being good, in Unix seconds.",
        "examples": [1_767_226_500],
    };
}

constants! {
    Totp = "totp";
    Webauthn = "webauthn";
    Passkey = "passkey";
    Sha1 = "SHA1";
    Digits = 6;
    Period = 30;
}

#[derive(JsonSchema, Serialize)]
#[schemars(rename = "SuccessfulAuth")]
pub(crate) struct SuccessfulAuth<'a> {
    #[schemars(with = "TokenText")]
    token: &'a str,
    #[schemars(with = "Expiry")]
    exp: i64,
}

impl<'a> From<&'a Issued> for SuccessfulAuth<'a> {
    fn from(issued: &'a Issued) -> Self {
        Self { token: issued.token.expose(), exp: issued.session.expires_at.unix_seconds() }
    }
}

/// What a browser is to ask whichever passkey it finds, and what the answer is to be sent with.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "PasskeyChallenge")]
pub(crate) struct PasskeyChallengeBody<'a> {
    /// For the login. It is good once.
    #[schemars(example = PASSKEY_TOKEN)]
    token: &'a str,
    #[schemars(with = "OfferExpiry")]
    exp: i64,
    /// See `PublicKeyCredential.parseRequestOptionsFromJSON`.
    #[schemars(with = "RequestOptions")]
    challenge: &'a Value,
}

impl<'a> From<&'a PasskeyChallenge> for PasskeyChallengeBody<'a> {
    fn from(challenge: &'a PasskeyChallenge) -> Self {
        Self { token: &challenge.token, exp: challenge.expires_at.unix_seconds(), challenge: &challenge.options }
    }
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Session")]
pub(crate) struct SessionBody<'a> {
    #[schemars(with = "SessionNumber")]
    id: i64,
    /// The `jti` of its token.
    uuid: Wire<SessionUuid>,
    #[schemars(with = "SessionNameText")]
    name: &'a str,
    /// The scopes of a scoped session; null for an ordinary one.
    #[schemars(with = "Option<PermissionFlags>", example = ())]
    permission_flags: Option<i64>,
    #[schemars(with = "Expiry")]
    exp: i64,
    /// When the last request was made with it; may lag by up to 60 s.
    #[schemars(example = "2026-01-01T00:05:00.000Z")]
    used_at: Option<Wire<Timestamp>>,
    /// When it was made. Lists are newest first.
    created_at: Wire<Timestamp>,
    /// When it last changed.
    #[schemars(example = "2026-01-01T00:05:00.000Z")]
    updated_at: Wire<Timestamp>,
}

impl<'a> From<&'a Session> for SessionBody<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            id: session.id.number(),
            uuid: Wire(session.uuid),
            name: session.name.as_str(),
            permission_flags: match session.grant {
                Grant::Full => None,
                Grant::Scoped(scopes) => Some(scopes.flags()),
            },
            exp: session.expires_at.unix_seconds(),
            used_at: session.used_at.map(Wire),
            created_at: Wire(session.created_at),
            updated_at: Wire(session.updated_at),
        }
    }
}

impl SessionBody<'_> {
    /// The same as it is serialised.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let Self { id, uuid, name, permission_flags, exp, used_at, created_at, updated_at } = self;
        JsonObject::with_capacity(USUAL_LENGTH)
            .number(member!("id"), *id)
            .uuid(member!("uuid"), uuid.0.0)
            .text(member!("name"), name)
            .number_if_any(member!("permissionFlags"), *permission_flags)
            .number(member!("exp"), *exp)
            .time_if_any(member!("usedAt"), used_at.as_ref().map(|at| at.0))
            .time(member!("createdAt"), created_at.0)
            .time(member!("updatedAt"), updated_at.0)
            .end()
    }
}

/// A scoped session with its token, shown once.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "ScopedSessionCreate", example = json!({
    "name": "Nightly backup",
    "permissionFlags": Scope::SessionRead.bit(),
    "usedAt": null,
    "updatedAt": "2026-01-01T00:00:00.000Z",
}))]
pub(crate) struct ScopedSessionCreate<'a> {
    #[serde(flatten)]
    session: SessionBody<'a>,
    #[schemars(with = "TokenText")]
    token: &'a str,
}

impl<'a> From<&'a Issued> for ScopedSessionCreate<'a> {
    fn from(issued: &'a Issued) -> Self {
        Self { session: (&issued.session).into(), token: issued.token.expose() }
    }
}

/// A page of a list.
#[derive(Serialize)]
pub(crate) struct ListBody<T> {
    pub(crate) count: u64,
    pub(crate) items: Vec<T>,
}

/// What there are lists of.
pub(crate) trait Listed: JsonSchema {
    /// What a list of these is called.
    const LIST: &'static str;

    /// A list, where one of a single item would be none.
    fn example() -> Option<Value> {
        None
    }
}

impl<T: Listed> JsonSchema for ListBody<T> {
    fn schema_name() -> Cow<'static, str> {
        T::LIST.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({
            "type": "object",
            "required": ["count", "items"],
            "properties": {
                "count": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "How many there are on all pages together.",
                    "examples": [1],
                },
                "items": {"type": "array", "items": generator.subschema_for::<T>()},
            },
        });
        if let Some(example) = T::example() {
            schema.insert("examples".to_owned(), json!([example]));
        }
        schema
    }
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "User")]
pub(crate) struct UserBody<'a> {
    id: Wire<UserId>,
    uuid: Wire<UserUuid>,
    #[schemars(with = "UsernameText")]
    username: &'a str,
    #[schemars(with = "EmailText")]
    email: &'a str,
    #[schemars(example = false)]
    staff: bool,
    /// Whether there is a password. Who has none signs in by a passkey, or is given one by a one-time link.
    #[schemars(example = true)]
    has_password: bool,
    /// When the address was found to be theirs.
    #[schemars(example = "2026-01-02T08:30:00.000Z")]
    verified_at: Option<Wire<Timestamp>>,
    /// When the user was banned, while the ban lasts.
    #[schemars(example = ())]
    banned_at: Option<Wire<Timestamp>>,
    /// When the account was made.
    created_at: Wire<Timestamp>,
    /// When the account last changed.
    #[schemars(example = "2026-01-02T08:30:00.000Z")]
    updated_at: Wire<Timestamp>,
}

impl<'a> From<&'a User> for UserBody<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: Wire(user.id),
            uuid: Wire(user.uuid),
            username: user.username.as_str(),
            email: user.email.as_str(),
            staff: user.staff,
            has_password: user.has_password,
            verified_at: user.verified_at.map(Wire),
            banned_at: user.banned_at.map(Wire),
            created_at: Wire(user.created_at),
            updated_at: Wire(user.updated_at),
        }
    }
}

impl UserBody<'_> {
    /// The same as it is serialised.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let Self { id, uuid, username, email, staff, has_password, verified_at, banned_at, created_at, updated_at } =
            self;
        JsonObject::with_capacity(USUAL_LENGTH)
            .printed(member!("id"), id.0)
            .uuid(member!("uuid"), uuid.0.0)
            .text(member!("username"), username)
            .text(member!("email"), email)
            .flag(member!("staff"), *staff)
            .flag(member!("hasPassword"), *has_password)
            .time_if_any(member!("verifiedAt"), verified_at.as_ref().map(|at| at.0))
            .time_if_any(member!("bannedAt"), banned_at.as_ref().map(|at| at.0))
            .time(member!("createdAt"), created_at.0)
            .time(member!("updatedAt"), updated_at.0)
            .end()
    }
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SecondFactor")]
pub(crate) struct FactorBody<'a> {
    id: Wire<FactorId>,
    #[schemars(with = "FactorNameText")]
    name: &'a str,
    #[serde(rename = "type")]
    #[schemars(with = "FactorKindName")]
    kind: &'static str,
    /// Of a passkey: whether it may be copied to its owner's other devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", example = true)]
    synced: Option<bool>,
    /// When it last proved something; its enrolment counts.
    #[schemars(example = "2026-01-02T08:30:00.000Z")]
    used_at: Option<Wire<Timestamp>>,
    /// When it was enrolled.
    created_at: Wire<Timestamp>,
    /// When it last changed; to be used changes it.
    #[schemars(example = "2026-01-02T08:30:00.000Z")]
    updated_at: Wire<Timestamp>,
}

impl<'a> From<&'a Factor> for FactorBody<'a> {
    fn from(factor: &'a Factor) -> Self {
        Self {
            id: Wire(factor.id),
            name: factor.name.as_str(),
            kind: factor.kind.name(),
            synced: (factor.kind == FactorKind::Passkey).then_some(factor.synced),
            used_at: factor.used_at.map(Wire),
            created_at: Wire(factor.created_at),
            updated_at: Wire(factor.updated_at),
        }
    }
}

/// A second factor that was just enrolled, with the backup codes where it is the first: shown once.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "SecondFactorEnrolled")]
pub(crate) struct FactorEnrolled<'a> {
    id: Wire<FactorId>,
    #[schemars(with = "FactorNameText")]
    name: &'a str,
    #[serde(rename = "type")]
    #[schemars(with = "FactorKindName")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CodeList")]
    codes: Option<Vec<String>>,
}

impl<'a> From<&'a NewlyEnrolled> for FactorEnrolled<'a> {
    fn from(enrolled: &'a NewlyEnrolled) -> Self {
        Self {
            id: Wire(enrolled.factor.id),
            name: enrolled.factor.name.as_str(),
            kind: enrolled.factor.kind.name(),
            codes: enrolled.codes.as_deref().map(exposed),
        }
    }
}

/// Backup codes, shown once.
#[derive(JsonSchema, Serialize)]
pub(crate) struct BackupCodes {
    #[schemars(with = "CodeList")]
    codes: Vec<String>,
}

impl From<&[BackupCode]> for BackupCodes {
    fn from(codes: &[BackupCode]) -> Self {
        Self { codes: exposed(codes) }
    }
}

fn exposed(codes: &[BackupCode]) -> Vec<String> {
    codes.iter().map(BackupCode::expose).collect()
}

/// What an authenticator app is to be told, and what its first code is to be sent with.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "TotpOffer")]
pub(crate) struct TotpOfferBody<'a> {
    #[schemars(with = "OfferToken")]
    token: &'a str,
    #[schemars(with = "OfferExpiry")]
    exp: i64,
    #[serde(rename = "type")]
    kind: Totp,
    /// Base32. It is shown this once.
    #[schemars(regex(pattern = "^[A-Z2-7]{32}$"), example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_owned())]
    secret: String,
    algorithm: Sha1,
    digits: Digits,
    /// Seconds.
    period: Period,
    /// The same as apps read it from a picture (`otpauth://`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "String",
        example = "otpauth://totp/Thunderhead:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Thunderhead"
    )]
    uri: Option<&'a str>,
}

impl<'a> From<&'a TotpOffer> for TotpOfferBody<'a> {
    fn from(offer: &'a TotpOffer) -> Self {
        Self {
            token: offer.token.expose(),
            exp: offer.expires_at.unix_seconds(),
            kind: Totp,
            secret: offer.secret.base32(),
            algorithm: Sha1,
            digits: Digits,
            period: Period,
            uri: offer.uri.as_deref(),
        }
    }
}

/// What a browser is to ask a security key, and what its answer is to be sent with.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "WebauthnOffer")]
pub(crate) struct WebauthnOfferBody<'a> {
    #[schemars(with = "OfferToken")]
    token: &'a str,
    #[schemars(with = "OfferExpiry")]
    exp: i64,
    #[serde(rename = "type")]
    kind: Webauthn,
    #[serde(flatten)]
    #[schemars(with = "CreationOptions")]
    options: &'a Value,
}

impl<'a> From<&'a WebauthnOffer> for WebauthnOfferBody<'a> {
    fn from(offer: &'a WebauthnOffer) -> Self {
        Self {
            token: offer.token.expose(),
            exp: offer.expires_at.unix_seconds(),
            kind: Webauthn,
            options: &offer.options,
        }
    }
}

/// The same of a passkey.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "PasskeyOffer")]
pub(crate) struct PasskeyOfferBody<'a> {
    #[schemars(with = "OfferToken")]
    token: &'a str,
    #[schemars(with = "OfferExpiry")]
    exp: i64,
    #[serde(rename = "type")]
    kind: Passkey,
    #[serde(flatten)]
    #[schemars(with = "CreationOptions")]
    options: &'a Value,
}

impl<'a> From<&'a WebauthnOffer> for PasskeyOfferBody<'a> {
    fn from(offer: &'a WebauthnOffer) -> Self {
        Self {
            token: offer.token.expose(),
            exp: offer.expires_at.unix_seconds(),
            kind: Passkey,
            options: &offer.options,
        }
    }
}

/// Declares the answers to deletions: of one thing, or of several with how many they were.
macro_rules! deleted {
    ($($Name:ident: $code:literal, $message:literal $(, $count:ident)?;)*) => {$(
        #[derive(JsonSchema, Serialize)]
        pub(crate) struct $Name {
            #[schemars(extend("const" = $code))]
            code: &'static str,
            #[schemars(extend("const" = $message))]
            message: &'static str,
            $(
                /// How many this call really deleted.
                #[schemars(example = 2)]
                $count: u64,
            )?
        }

        impl $Name {
            pub(crate) const fn new($($count: u64)?) -> Self {
                Self { code: $code, message: $message $(, $count)? }
            }
        }
    )*};
}

deleted! {
    DeleteSession: "DELETE_SESSION_SUCCESS", "Session Successfully Deleted";
    DeleteSessions: "DELETE_SESSIONS_SUCCESS", "Sessions Successfully Deleted", count;
    DeleteSecondFactor: "DELETE_SECOND_FACTOR_SUCCESS", "Second Factor Successfully Deleted";
    DeleteSecondFactors: "DELETE_SECOND_FACTORS_SUCCESS", "Second Factors Successfully Deleted", count;
    DeleteUser: "DELETE_USER_SUCCESS", "User Successfully Deleted";
    DeleteUsers: "DELETE_USERS_SUCCESS", "Users Successfully Deleted", count;
}

#[cfg(test)]
mod tests;
