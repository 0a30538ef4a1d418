//! `thunderhead key …`: the keys that tokens are signed with, and the one that everything is encrypted under.

use clap::Subcommand;
use serde::Serialize;
use thunderhead_auth::operator::OperatorError;
use thunderhead_auth::tokens::keys::{KeyUse, key_uses};
use thunderhead_domain::import::VerificationKey;
use thunderhead_domain::ports::{Clock, SigningKeyRecord};
use thunderhead_domain::time::Timestamp;

use super::form::{Form, JsonList};
use super::on_database;
use crate::config::Config;
use crate::error::CommandError;
use crate::key_file::{self, LoadedKeys};
use crate::system::{SystemClock, SystemRandom};

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Show all of them, newest first, and what each does; behind them those that came with imported sessions.
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Make a new one. It takes over in a minute; nobody is logged out.
    Rotate {
        #[command(flatten)]
        form: Form,
    },
    /// Encrypt all that is stored encrypted under the first encryption key, so that later ones can go.
    Reseal {
        #[command(flatten)]
        form: Form,
    },
}

/// A key in JSON: nothing of the key itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyJson {
    kid: String,
    #[serde(rename = "use")]
    key_use: &'static str,
    /// A verify-only key never signs.
    signs_from: Option<String>,
    /// Who a verify-only key's tokens are from, where they say so.
    issuer: Option<String>,
    created_at: String,
}

/// What came of encrypting anew.
#[derive(Serialize)]
struct ResealJson {
    resealed: u64,
}

/// Does it; returns what is to be printed.
pub(super) fn run(config: &Config, command: KeyCommand) -> Result<String, CommandError> {
    let misfit = |keys: &LoadedKeys, error| match error {
        OperatorError::Key(error) => CommandError::keys(error, || keys.misfit(&config.database.url)),
        other => other.into(),
    };
    on_database(config, async |operator| match command {
        KeyCommand::List { form } => print(form, &operator.key_list().await?, &operator.verification_key_list().await?),
        KeyCommand::Rotate { form } => {
            let keys = key_file::load(config, &SystemRandom)?;
            let rotated = operator.key_rotate(&keys.keys).await;
            let rotated = rotated.map_err(|error| misfit(&keys, error))?;
            print(form, &rotated, &operator.verification_key_list().await?)
        }
        KeyCommand::Reseal { form } => {
            let keys = key_file::load(config, &SystemRandom)?;
            let resealed = operator.key_reseal(&keys.keys).await.map_err(|error| misfit(&keys, error))?;
            form.print(&ResealJson { resealed }, || match resealed {
                0 => "Everything is encrypted under the first key already.".to_owned(),
                number => format!("Encrypted under the first key what was not yet: {number}."),
            })
        }
    })
}

fn print(form: Form, keys: &[SigningKeyRecord], verify_only: &[VerificationKey]) -> Result<String, CommandError> {
    let shown = shown(keys, verify_only, SystemClock.now());
    let lines = shown.iter().map(line).collect::<Vec<_>>().join("\n");
    form.print(&JsonList::whole(shown), || lines)
}

fn shown(keys: &[SigningKeyRecord], verify_only: &[VerificationKey], now: Timestamp) -> Vec<KeyJson> {
    let own = |(key, key_use): (&SigningKeyRecord, _)| KeyJson {
        kid: key.kid.clone(),
        key_use: use_name(key_use),
        signs_from: Some(key.signs_from.to_string()),
        issuer: None,
        created_at: key.created_at.to_string(),
    };
    let imported = |key: &VerificationKey| KeyJson {
        kid: key.id.0.to_string(),
        key_use: "verify-only",
        signs_from: None,
        issuer: key.issuer.clone(),
        created_at: key.created_at.to_string(),
    };
    key_uses(keys, now).into_iter().map(own).chain(verify_only.iter().map(imported)).collect()
}

fn line(KeyJson { kid, key_use, signs_from, issuer, created_at }: &KeyJson) -> String {
    let rest = match (signs_from, issuer) {
        (Some(signs_from), _) => format!("from {signs_from}"),
        (None, Some(issuer)) => format!("tokens of {issuer}, came {created_at}"),
        (None, None) => format!("tokens without an issuer, came {created_at}"),
    };
    format!("{kid}  {key_use:<13}{rest}")
}

const fn use_name(key_use: KeyUse) -> &'static str {
    match key_use {
        KeyUse::Next => "next",
        KeyUse::Signs => "signs",
        KeyUse::Verifies => "verifies",
    }
}

#[cfg(test)]
mod tests {
    use thunderhead_domain::id::VerificationKeyId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn keys_that_came_with_sessions_stand_behind_those_that_sign_and_nothing_of_them_is_shown() {
        let at = Timestamp::from_unix_seconds;
        let own = SigningKeyRecord {
            kid: "own".to_owned(),
            sealed: "sealed".to_owned(),
            created_at: at(0),
            signs_from: at(60),
        };
        let imported = |number: u128, issuer: Option<&str>| VerificationKey {
            id: VerificationKeyId(Uuid::from_u128(number)),
            jwk: "{\"kty\":\"EC\"}".to_owned(),
            issuer: issuer.map(str::to_owned),
            created_at: at(120),
        };
        let shown = shown(&[own], &[imported(1, Some("example.org")), imported(2, None)], at(200));
        let lines: Vec<String> = shown.iter().map(line).collect();
        assert_eq!(
            lines,
            [
                "own  signs        from 1970-01-01T00:01:00.000Z",
                "00000000-0000-0000-0000-000000000001  verify-only  tokens of example.org, came 1970-01-01T00:02:00.000Z",
                "00000000-0000-0000-0000-000000000002  verify-only  tokens without an issuer, came 1970-01-01T00:02:00.000Z",
            ]
        );
        let json = serde_json::to_string(&shown).unwrap();
        assert!(!json.contains("sealed") && !json.contains("kty"), "{json}");
    }
}
