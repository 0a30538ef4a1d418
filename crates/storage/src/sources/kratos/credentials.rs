//! What lets an identity in: passwords, authenticator apps, security keys, recovery codes. Rows of each kind may be there
//! and hold nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use thunderhead_domain::import::{Remark, SourceCode, SourceFactor, SourceFactorMaterial, SourceSecret};
use thunderhead_domain::time::Timestamp;

use super::super::{base32, moment};
use super::rows::CredentialRow;

/// More codes than this are not taken: each of them is opened whenever one is typed.
const MOST_CODES: usize = 24;

#[derive(Default)]
pub(super) struct Credentials {
    pub(super) password: Option<SourceSecret<String>>,
    pub(super) factors: Vec<SourceFactor>,
    pub(super) codes: Vec<SourceCode>,
    pub(super) remarks: Vec<Remark>,
}

#[derive(Deserialize)]
struct PasswordConfig {
    hashed_password: Option<String>,
}

#[derive(Deserialize)]
struct TotpConfig {
    totp_url: Option<String>,
}

#[derive(Deserialize)]
struct LookupConfig {
    #[serde(default)]
    recovery_codes: Vec<RecoveryCode>,
}

#[derive(Deserialize)]
struct RecoveryCode {
    code: String,
    used_at: Option<String>,
}

impl RecoveryCode {
    /// A code that was never used has no date, or that of the year 1.
    fn is_unused(&self) -> bool {
        let used_at = self.used_at.as_deref().filter(|text| !text.is_empty());
        used_at.is_none_or(|text| moment::parse(text).is_some_and(|at| at.unix_seconds() <= 0))
    }
}

#[derive(Deserialize)]
struct WebauthnConfig {
    #[serde(default)]
    credentials: Vec<SecurityKey>,
}

#[derive(Deserialize)]
struct SecurityKey {
    id: String,
    public_key: String,
    #[serde(default)]
    display_name: String,
    added_at: Option<String>,
    authenticator: Option<Authenticator>,
    flags: Option<Flags>,
}

#[derive(Deserialize)]
struct Flags {
    #[serde(default)]
    backup_eligible: bool,
}

#[derive(Deserialize)]
struct Authenticator {
    #[serde(default)]
    sign_count: u32,
}

/// Reads the rows of one identity.
pub(super) fn read(identity: &str, rows: Vec<CredentialRow>) -> Credentials {
    let mut read = Credentials::default();
    let mut others: Vec<String> = Vec::new();
    for row in rows {
        let known = match row.kind.as_str() {
            "password" => password(&mut read, &row),
            "totp" => totp(&mut read, &row),
            "lookup_secret" => lookup(&mut read, &row),
            // The first kind of passkeys, and the second.
            "webauthn" | "passkey" => webauthn(&mut read, &row, identity),
            other => {
                others.extend((row.config != "{}").then(|| other.to_owned()));
                Some(())
            }
        };
        if known.is_none() {
            read.remarks.push(Remark::Other(format!("its {} cannot be read", row.kind)));
        }
    }
    // Codes by mail and profiles are no credentials that somebody would miss.
    others.retain(|kind| !matches!(kind.as_str(), "code" | "link" | "profile" | "code_recovery" | "link_recovery"));
    if !others.is_empty() {
        read.remarks.push(Remark::Other(format!("it could log in by {}, which is not there here", others.join(", "))));
    }
    read
}

fn password(read: &mut Credentials, row: &CredentialRow) -> Option<()> {
    let PasswordConfig { hashed_password } = serde_json::from_str(&row.config).ok()?;
    read.password = hashed_password.filter(|hash| !hash.is_empty()).map(SourceSecret).or(read.password.take());
    Some(())
}

fn totp(read: &mut Credentials, row: &CredentialRow) -> Option<()> {
    let TotpConfig { totp_url } = serde_json::from_str(&row.config).ok()?;
    let Some(url) = totp_url.filter(|url| !url.is_empty()) else { return Some(()) };
    let name = "Authenticator app".to_owned();
    match secret_of(&url) {
        Ok(secret) => read.factors.push(SourceFactor {
            source_id: row.id.clone(),
            name,
            material: SourceFactorMaterial::Totp { secret: SourceSecret(secret) },
            used_at: None,
            created_at: moment::parse(&row.created_at)?,
            updated_at: moment::parse(&row.updated_at)?,
        }),
        Err(why) => read.remarks.push(Remark::FactorLeftOut { name, why: why.to_owned() }),
    }
    Some(())
}

/// The secret of an `otpauth:` URL, if its codes are those that are checked here.
fn secret_of(url: &str) -> Result<Vec<u8>, &'static str> {
    let (_, query) = url.split_once('?').filter(|_| url.starts_with("otpauth://totp/")).ok_or("it has no secret")?;
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let is = |name: &str, wanted: &str| parameter(name).is_none_or(|value| value.eq_ignore_ascii_case(wanted));
    if !is("algorithm", "SHA1") || !is("digits", "6") || !is("period", "30") {
        return Err("its codes are not those of SHA-1, six digits and 30 seconds");
    }
    parameter("secret").and_then(|secret| base32::decode(secret.trim_end_matches("%3D"))).ok_or("it has no secret")
}

fn lookup(read: &mut Credentials, row: &CredentialRow) -> Option<()> {
    let LookupConfig { recovery_codes } = serde_json::from_str(&row.config).ok()?;
    let mut unused: Vec<_> = recovery_codes.into_iter().filter(RecoveryCode::is_unused).collect();
    let too_many = unused.len().saturating_sub(MOST_CODES);
    if too_many > 0 {
        unused.truncate(MOST_CODES);
        let why = format!("{MOST_CODES} are the most");
        read.remarks.push(Remark::CodesLeftOut { count: too_many, why });
    }
    read.codes.extend(unused.into_iter().map(|code| SourceCode::Short(SourceSecret(code.code))));
    Some(())
}

fn webauthn(read: &mut Credentials, row: &CredentialRow, identity: &str) -> Option<()> {
    let WebauthnConfig { credentials } = serde_json::from_str(&row.config).ok()?;
    for key in credentials {
        let name = if key.display_name.is_empty() { "Security key".to_owned() } else { key.display_name };
        let (Ok(credential_id), Ok(public_key)) = (STANDARD.decode(&key.id), STANDARD.decode(&key.public_key)) else {
            read.remarks.push(Remark::FactorLeftOut { name, why: "its id or key cannot be read".to_owned() });
            continue;
        };
        let written = moment::parse(&row.created_at)?;
        let created_at = key.added_at.as_deref().and_then(moment::parse).filter(is_a_date).unwrap_or(written);
        let backup_eligible = key.flags.is_some_and(|flags| flags.backup_eligible);
        let sign_count = key.authenticator.map_or(0, |authenticator| authenticator.sign_count);
        read.factors.push(SourceFactor {
            source_id: format!("{identity}/{}", key.id),
            name,
            material: SourceFactorMaterial::Webauthn { credential_id, public_key, sign_count, backup_eligible },
            used_at: None,
            created_at,
            updated_at: moment::parse(&row.updated_at)?,
        });
    }
    Some(())
}

fn is_a_date(at: &Timestamp) -> bool {
    at.unix_seconds() > 0
}
