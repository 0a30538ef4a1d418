//! The structures of the current dialect as JSON (`docs/MODEL.md`).

use serde::Serialize;
use serde_json::Value;
use thunderhead_auth::credentials::backup::BackupCode;
use thunderhead_auth::factors::enrolment::{NewlyEnrolled, TotpOffer, WebauthnOffer};
use thunderhead_auth::sessions::login::Issued;
use thunderhead_domain::factor::{Factor, FactorId, FactorKind};
use thunderhead_domain::id::{SessionUuid, UserId, UserUuid};
use thunderhead_domain::session::{Grant, Session};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;

use crate::wire::Wire;

#[derive(Serialize)]
pub(crate) struct SuccessfulAuth<'a> {
    token: &'a str,
    exp: i64,
}

impl<'a> From<&'a Issued> for SuccessfulAuth<'a> {
    fn from(issued: &'a Issued) -> Self {
        Self { token: issued.token.expose(), exp: issued.session.expires_at.unix_seconds() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionBody<'a> {
    id: i64,
    uuid: Wire<SessionUuid>,
    name: &'a str,
    permission_flags: Option<i64>,
    exp: i64,
    used_at: Option<Wire<Timestamp>>,
    created_at: Wire<Timestamp>,
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

/// A scoped session with its token, shown once.
#[derive(Serialize)]
pub(crate) struct ScopedSessionCreate<'a> {
    #[serde(flatten)]
    session: SessionBody<'a>,
    token: &'a str,
}

impl<'a> From<&'a Issued> for ScopedSessionCreate<'a> {
    fn from(issued: &'a Issued) -> Self {
        Self { session: (&issued.session).into(), token: issued.token.expose() }
    }
}

#[derive(Serialize)]
pub(crate) struct ListBody<T> {
    pub(crate) count: u64,
    pub(crate) items: Vec<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserBody<'a> {
    id: Wire<UserId>,
    uuid: Wire<UserUuid>,
    username: &'a str,
    email: &'a str,
    staff: bool,
    verified_at: Option<Wire<Timestamp>>,
    banned_at: Option<Wire<Timestamp>>,
    created_at: Wire<Timestamp>,
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
            verified_at: user.verified_at.map(Wire),
            banned_at: user.banned_at.map(Wire),
            created_at: Wire(user.created_at),
            updated_at: Wire(user.updated_at),
        }
    }
}

/// A second factor.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FactorBody<'a> {
    id: Wire<FactorId>,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    used_at: Option<Wire<Timestamp>>,
    created_at: Wire<Timestamp>,
    updated_at: Wire<Timestamp>,
}

impl<'a> From<&'a Factor> for FactorBody<'a> {
    fn from(factor: &'a Factor) -> Self {
        Self {
            id: Wire(factor.id),
            name: factor.name.as_str(),
            kind: factor.kind.name(),
            used_at: factor.used_at.map(Wire),
            created_at: Wire(factor.created_at),
            updated_at: Wire(factor.updated_at),
        }
    }
}

/// A second factor that was just enrolled, with the backup codes where it is the first: shown once.
#[derive(Serialize)]
pub(crate) struct FactorEnrolled<'a> {
    id: Wire<FactorId>,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
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
#[derive(Serialize)]
pub(crate) struct BackupCodes {
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
#[derive(Serialize)]
pub(crate) struct TotpOfferBody<'a> {
    token: &'a str,
    exp: i64,
    #[serde(rename = "type")]
    kind: &'static str,
    secret: String,
    algorithm: &'static str,
    digits: u8,
    period: u8,
    /// The same in the form that apps read from a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
}

impl<'a> From<&'a TotpOffer> for TotpOfferBody<'a> {
    fn from(offer: &'a TotpOffer) -> Self {
        Self {
            token: offer.token.expose(),
            exp: offer.expires_at.unix_seconds(),
            kind: FactorKind::Totp.name(),
            secret: offer.secret.base32(),
            algorithm: "SHA1",
            digits: 6,
            period: 30,
            uri: offer.uri.as_deref(),
        }
    }
}

/// What a browser is to ask a security key, and what its answer is to be sent with.
#[derive(Serialize)]
pub(crate) struct WebauthnOfferBody<'a> {
    token: &'a str,
    exp: i64,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    options: &'a Value,
}

impl<'a> From<&'a WebauthnOffer> for WebauthnOfferBody<'a> {
    fn from(offer: &'a WebauthnOffer) -> Self {
        Self {
            token: offer.token.expose(),
            exp: offer.expires_at.unix_seconds(),
            kind: FactorKind::Webauthn.name(),
            options: &offer.options,
        }
    }
}

/// The answer to a deletion of one thing, or of several with how many they were.
#[derive(Serialize)]
pub(crate) struct Deleted {
    code: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl Deleted {
    pub(crate) const fn session() -> Self {
        Self { code: "DELETE_SESSION_SUCCESS", message: "Session Successfully Deleted", count: None }
    }

    pub(crate) const fn user() -> Self {
        Self { code: "DELETE_USER_SUCCESS", message: "User Successfully Deleted", count: None }
    }

    pub(crate) const fn users(count: u64) -> Self {
        Self { code: "DELETE_USERS_SUCCESS", message: "Users Successfully Deleted", count: Some(count) }
    }

    pub(crate) const fn factor() -> Self {
        let message = "Second Factor Successfully Deleted";
        Self { code: "DELETE_SECOND_FACTOR_SUCCESS", message, count: None }
    }

    pub(crate) const fn factors(count: u64) -> Self {
        let message = "Second Factors Successfully Deleted";
        Self { code: "DELETE_SECOND_FACTORS_SUCCESS", message, count: Some(count) }
    }

    pub(crate) const fn sessions(count: u64) -> Self {
        Self { code: "DELETE_SESSIONS_SUCCESS", message: "Sessions Successfully Deleted", count: Some(count) }
    }
}
