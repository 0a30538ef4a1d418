//! What a source has, made to fit the rules here: secrets are sealed, tokens hashed, and what does not fit is left out.

use thunderhead_domain::factor::{FactorId, FactorMaterial, FactorName, ImportedCode, ImportedCodeId, NewFactor};
use thunderhead_domain::id::{SessionUuid, UserUuid};
use thunderhead_domain::import::{
    ImportedAccount, ImportedFactor, ImportedSession, LeftOut, Remark, SourceAccount, SourceCode, SourceFactor,
    SourceFactorMaterial, SourceSecret, SourceSession, SourceToken,
};
use thunderhead_domain::label::is_printable;
use thunderhead_domain::ports::SealedRow;
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Actor, End, EndReason, Grant, Origin, SessionName, TokenDigest};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{EmailAddress, PasswordHash, Username};
use totp_rs::Secret;
use url::Url;

use super::clashes::Clashes;
use super::{ImportError, ImportSettings, Importer};
use crate::credentials::password::foreign::ForeignHash;
use crate::credentials::totp::{TotpSecret, step_at};
use crate::credentials::webauthn::imported_key;
use crate::email::{LONGEST_ADDRESS, existing_email, parse_email};
use crate::sessions::name::names;
use crate::tokens::token::digest;

/// The longest key that the memory of what came is asked for, in bytes.
const LONGEST_SOURCE_ID: usize = 300;

/// Makes imported accounts.
pub(super) struct Converter<'a> {
    importer: &'a Importer,
    settings: &'a ImportSettings,
    clashes: Clashes,
}

/// An account that fits, and what is to be said of it.
pub(super) struct Converted {
    pub(super) account: ImportedAccount,
    pub(super) remarks: Vec<Remark>,
    /// How many of its sessions had expired.
    pub(super) expired: u64,
    /// How many did not come because nothing verifies their tokens.
    pub(super) without_key: u64,
}

/// What comes of sessions.
#[derive(Default)]
struct Sessions {
    came: Vec<ImportedSession>,
    expired: u64,
    without_key: u64,
}

impl<'a> Converter<'a> {
    pub(super) const fn new(importer: &'a Importer, settings: &'a ImportSettings, clashes: Clashes) -> Self {
        Self { importer, settings, clashes }
    }

    /// Makes an account fit, unless it is to be left out.
    pub(super) fn convert(&mut self, source: SourceAccount) -> Result<Result<Converted, LeftOut>, ImportError> {
        let now = self.importer.environment.now();
        let mut remarks = source.remarks.clone();
        let names = match self.names(&source, &mut remarks) {
            Ok(names) => names,
            Err(why) => return Ok(Err(why)),
        };
        let (username, other_username, email) = names;
        let password = self.password(source.password.as_ref(), &mut remarks);
        let has_password = password.is_some();
        let factors = self.factors(source.factors.iter(), now, &mut remarks)?;
        let codes = self.codes(&source.codes, &mut remarks)?;
        let end = source.banned_at.map(|at| End { at: at.min(now), by: Actor::CommandLine, why: EndReason::Banned });
        let sessions = self.sessions(&source, end, now, &mut remarks);
        let created_at = source.created_at.min(now);
        let account = ImportedAccount {
            source_id: source.source_id,
            id: source.id,
            uuid: source.uuid.unwrap_or_else(|| UserUuid(self.importer.environment.new_uuid())),
            username,
            other_username,
            email,
            password: password.unwrap_or_else(|| self.importer.nobodys.clone()),
            has_password,
            staff: source.staff,
            verified_at: source.verified_at,
            banned_at: source.banned_at,
            created_at,
            updated_at: source.updated_at.min(now).max(created_at),
            factors,
            codes,
            sessions: sessions.came,
        };
        let Sessions { expired, without_key, .. } = sessions;
        Ok(Ok(Converted { account, remarks, expired, without_key }))
    }

    /// The name, the one that it may get instead, and the address.
    fn names(
        &mut self,
        source: &SourceAccount,
        remarks: &mut Vec<Remark>,
    ) -> Result<(Username, Option<Username>, EmailAddress), LeftOut> {
        if source.source_id.len() > LONGEST_SOURCE_ID {
            return Err(LeftOut::Id);
        }
        let username = Username::existing(source.username.clone()).map_err(|_| LeftOut::Name)?;
        if Username::try_from(source.username.clone()).is_err() {
            remarks.push(Remark::UnusualName(source.username.clone()));
        }
        let email = address(&source.email, remarks).ok_or(LeftOut::Address)?;
        if self.clashes.has_address(&email) {
            return Err(LeftOut::AddressClash);
        }
        let other = self.settings.rename.then(|| other_name(&username, &source.source_id)).flatten();
        if source.continued || !self.clashes.has_name(&username) {
            return Ok((username, other, email));
        }
        match other {
            None => Err(LeftOut::NameClash),
            Some(_) if self.clashes.give(&username) => Ok((username, other, email)),
            Some(other) => {
                let (from, to) = (username.to_string(), other.to_string());
                remarks.push(Remark::Renamed { from, to });
                Ok((other, None, email))
            }
        }
    }

    fn password(&self, hash: Option<&SourceSecret<String>>, remarks: &mut Vec<Remark>) -> Option<PasswordHash> {
        let Some(SourceSecret(hash)) = hash else {
            remarks.push(Remark::NoPassword);
            return None;
        };
        match ForeignHash::parse(hash) {
            Ok(hash) => Some(hash.into_stored()),
            Err(why) => {
                remarks.push(Remark::PasswordRefused(why.to_string()));
                None
            }
        }
    }

    fn factors<'f>(
        &self,
        factors: impl Iterator<Item = &'f SourceFactor>,
        now: Timestamp,
        remarks: &mut Vec<Remark>,
    ) -> Result<Vec<ImportedFactor>, ImportError> {
        let mut came = Vec::new();
        for factor in factors {
            let id = FactorId(self.importer.environment.new_uuid());
            match self.material(id, &factor.material, now)? {
                Ok(material) => came.push(ImportedFactor {
                    source_id: factor.source_id.clone(),
                    factor: NewFactor { id, name: FactorName::made_of(factor.name.clone()), material },
                    used_at: factor.used_at.map(|used| used.min(now)),
                    created_at: factor.created_at.min(now),
                    updated_at: factor.updated_at.min(now),
                }),
                Err(why) => remarks.push(Remark::FactorLeftOut { name: factor.name.clone(), why: why.to_owned() }),
            }
        }
        Ok(came)
    }

    fn material(
        &self,
        id: FactorId,
        material: &SourceFactorMaterial,
        now: Timestamp,
    ) -> Result<Result<FactorMaterial, &'static str>, ImportError> {
        match material {
            SourceFactorMaterial::Totp { secret: SourceSecret(secret) } => {
                let Some(secret) = TotpSecret::from_bytes(secret) else {
                    return Ok(Err("its secret has not 10 to 64 bytes"));
                };
                let sealed = self.sealed(secret.bytes(), &SealedRow::Factor(id))?;
                // What was shown there until now is not good here once more.
                let last_step = step_at(now);
                Ok(Ok(FactorMaterial::Totp { sealed, last_step }))
            }
            SourceFactorMaterial::Webauthn { credential_id, public_key, sign_count, backup_eligible } => {
                let key = imported_key(credential_id.clone(), public_key, *sign_count, *backup_eligible);
                Ok(match key {
                    Ok(key) => Ok(FactorMaterial::Webauthn {
                        credential_id: key.credential_id,
                        credential: key.credential,
                        sign_count: key.sign_count,
                    }),
                    Err(_) => Err("its public key cannot be read"),
                })
            }
        }
    }

    /// What is stored of backup codes.
    fn codes(&self, codes: &[SourceCode], remarks: &mut Vec<Remark>) -> Result<Vec<ImportedCode>, ImportError> {
        let (mut came, mut left_out) = (Vec::new(), 0);
        for code in codes {
            match code {
                SourceCode::Sha512Hex(SourceSecret(hex)) => match of_hex(hex) {
                    Some(digest) => came.push(ImportedCode::Sha512(Box::new(digest))),
                    None => left_out += 1,
                },
                SourceCode::Short(SourceSecret(code)) if is_short_code(code) => {
                    let id = ImportedCodeId(self.importer.environment.new_uuid());
                    let sealed = self.sealed(code.as_bytes(), &SealedRow::ImportedCode(id))?;
                    came.push(ImportedCode::Sealed { id, sealed });
                }
                SourceCode::Short(_) => left_out += 1,
            }
        }
        if left_out > 0 {
            remarks.push(Remark::CodesLeftOut { count: left_out, why: "they are of no form that is known".to_owned() });
        }
        Ok(came)
    }

    fn sealed(&self, secret: &[u8], row: &SealedRow) -> Result<String, ImportError> {
        let sealed = self.importer.encryption_keys.seal_bytes(secret, &row.context());
        sealed.map_err(|error| ImportError::Sealing(Box::new(error)))
    }

    fn sessions(
        &self,
        source: &SourceAccount,
        end: Option<End>,
        now: Timestamp,
        remarks: &mut Vec<Remark>,
    ) -> Sessions {
        let mut sessions = Sessions::default();
        for session in &source.sessions {
            // Whole seconds, as tokens have them.
            let expires_at = Timestamp::from_unix_seconds(session.expires_at.unix_seconds());
            if expires_at <= now {
                sessions.expired += 1;
                continue;
            }
            let (opaque, key) = match &session.token {
                SourceToken::Signed => match &self.settings.key {
                    Some(key) => (None, Some(key.id)),
                    None => {
                        sessions.without_key += 1;
                        continue;
                    }
                },
                SourceToken::Opaque(SourceSecret(token)) => (Some(digest(token)), None),
                SourceToken::Lost => (None::<TokenDigest>, None),
            };
            if session.source_id.len() > LONGEST_SOURCE_ID {
                let (id, why) = (source.source_id.clone(), "its id is too long".to_owned());
                remarks.push(Remark::SessionLeftOut { id, why });
                continue;
            }
            let created_at = session.created_at.min(now);
            sessions.came.push(ImportedSession {
                source_id: session.source_id.clone(),
                uuid: session.uuid.unwrap_or_else(|| SessionUuid(self.importer.environment.new_uuid())),
                id: session.id,
                opaque,
                key,
                name: name(session),
                grant: grant(session, source.staff, remarks),
                expires_at,
                created_at,
                updated_at: session.updated_at.min(now).max(created_at),
                used_at: session.used_at.map(|used| used.min(now)),
                origin: session.origin.clone(),
                authentications: session.authentications.clone(),
                second_factor_pending: session.second_factor_pending,
                end,
            });
        }
        sessions
    }
}

/// What a session may do. Flags that are no scopes here, or may not be its user's, are dropped: it never gets to do more.
fn grant(session: &SourceSession, staff: bool, remarks: &mut Vec<Remark>) -> Grant {
    let Some(from) = session.flags else { return Grant::Full };
    let scopes = ScopeSet::known_of(from, staff);
    let to = scopes.flags();
    if from != to {
        remarks.push(Remark::FlagsDropped { id: session.source_id.clone(), from, to });
    }
    Grant::Scoped(scopes)
}

/// The name of a session, or that of its client where it has none.
fn name(session: &SourceSession) -> SessionName {
    match session.origin.user_agent.as_deref() {
        Some(agent) if session.name.trim().is_empty() => names(Origin::cut_user_agent(agent)).session,
        Some(_) | None => SessionName::made_of(&session.name),
    }
}

/// An address, be it a rare one, or one that nobody could register with.
fn address(text: &str, remarks: &mut Vec<Remark>) -> Option<EmailAddress> {
    match parse_email(text) {
        // A local part in quotes is hardly ever meant.
        Ok(address) if !text.starts_with('"') => return Some(address),
        Ok(_) | Err(_) => {}
    }
    let is_kept = existing_email(text).is_ok()
        || (text.len() <= LONGEST_ADDRESS && text.contains('@') && is_printable(text) && text.trim() == text);
    if !is_kept {
        return None;
    }
    remarks.push(Remark::UnusualAddress(text.to_owned()));
    Some(EmailAddress::from_checked(text.to_owned()))
}

/// The name that an account gets where its own is another's: with the end of the id that it has at its source.
fn other_name(name: &Username, source_id: &str) -> Option<Username> {
    const END: usize = 13;
    let id: Vec<u8> = source_id.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let end = String::from_utf8_lossy(&id[id.len().saturating_sub(END)..]).to_lowercase();
    let name: String = name.as_str().chars().take(Username::MAX - END - 1).collect();
    Username::existing(format!("{name}-{end}")).ok().filter(|_| !end.is_empty())
}

/// The bytes of a secret in base32, or in an `otpauth:` URL of the one kind that there is here.
///
/// # Errors
/// Why it is none.
pub fn totp_secret(text: &str) -> Result<Vec<u8>, &'static str> {
    let base32 = if text.starts_with("otpauth:") { of_url(text)? } else { text.to_owned() };
    let base32: String = base32.chars().filter(|character| !matches!(character, ' ' | '-' | '=')).collect();
    let secret = Secret::try_from_base32(base32.to_ascii_uppercase()).map_err(|_| "its secret is not in base32")?;
    Ok(secret.as_bytes().to_vec())
}

fn of_url(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text).map_err(|_| "its URL cannot be read")?;
    if url.scheme() != "otpauth" || url.host_str() != Some("totp") {
        return Err("it is no authenticator app by time");
    }
    let mut secret = None;
    for (name, value) in url.query_pairs() {
        match &*name {
            "secret" => secret = Some(value.into_owned()),
            "algorithm" if !value.eq_ignore_ascii_case("SHA1") => return Err("its codes are not made with SHA-1"),
            "digits" if value != "6" => return Err("its codes have not six digits"),
            "period" if value != "30" => return Err("its codes do not last thirty seconds"),
            _ => {}
        }
    }
    secret.ok_or("its URL has no secret")
}

/// Whether a text is a code as Kratos makes them.
fn is_short_code(code: &str) -> bool {
    code.len() == 8 && code.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

fn of_hex(hex: &str) -> Option<[u8; 64]> {
    let digits = hex.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
    if hex.len() != 128 || !digits {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok();
    (0..64).map(byte).collect::<Option<Vec<u8>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Username {
        Username::existing(text.to_owned()).unwrap()
    }

    #[test]
    fn the_younger_gets_the_end_of_its_id_behind_a_name_that_is_cut_where_it_must_be() {
        let other = |text: &str, id: &str| other_name(&name(text), id).unwrap().to_string();
        assert_eq!(other("evelyn", "1795837412298"), "evelyn-1795837412298");
        assert_eq!(other("Evelyn", "BED1A568-7D0C-4D77-BCBC-D2706FC06F24"), "Evelyn-cd2706fc06f24");
        assert_eq!(other(&"x".repeat(64), "1795837412298").len(), 64);
        assert_eq!(other_name(&name("a"), "…"), None);
    }

    #[test]
    fn an_address_that_nobody_could_register_with_comes_and_is_told_of() {
        let read = |text: &str| {
            let mut remarks = Vec::new();
            (address(text, &mut remarks).is_some(), remarks.len())
        };
        assert_eq!(read("ada@example.org"), (true, 0));
        for unusual in
            ["two words@example.org", "literal@[127.0.0.1]", "\"quite odd\"@example.org", "a\u{202e}b@example.org"]
        {
            assert_eq!(read(unusual), (true, 1), "{unusual}");
        }
        for none in ["", "ada", " ada@example.org ", "a\nb@example.org", &format!("{}@x", "x".repeat(254))] {
            assert_eq!(read(none), (false, 0), "{none:?}");
        }
    }

    #[test]
    fn a_secret_is_base32_or_in_a_url_of_the_one_kind() {
        let bytes = b"12345678901234567890".to_vec();
        for text in [
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
            "otpauth://totp/a:b?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=a&digits=6&period=30&algorithm=SHA1",
        ] {
            assert_eq!(totp_secret(text).as_ref(), Ok(&bytes), "{text}");
        }
        for text in [
            "otpauth://hotp/a?secret=GEZDGNBVGY3TQOJQ",
            "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ&digits=8",
            "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ&period=60",
            "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ&algorithm=SHA256",
            "otpauth://totp/a",
            "1",
            "é",
        ] {
            assert!(totp_secret(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_code_is_taken_as_lower_case_sha_512_alone() {
        let good = "0f".repeat(64);
        assert_eq!(of_hex(&good), Some([0x0f; 64]));
        for bad in [&good[2..], &good.to_uppercase(), &good.replace('f', "g"), &format!("{good}0f"), &"é".repeat(64)] {
            assert_eq!(of_hex(bad), None, "{bad}");
        }
    }

    #[test]
    fn flags_lose_what_is_unknown_or_not_its_users_and_never_become_none() {
        let of = |flags: i64, staff: bool| ScopeSet::known_of(flags, staff).flags();
        assert_eq!((of(0, false), of(36, false), of(1, false)), (0, 36, 1));
        assert_eq!((of(8_704, true), of(8_704, false)), (8_704, 0));
        assert_eq!((of(1 << 30 | 4, false), of(-1, false), of(-1, true)), (4, 511, (1 << 21) - 1));
    }
}
