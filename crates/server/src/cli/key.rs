//! `thunderhead key …`: the keys that tokens are signed with, and the one that everything is encrypted under.

use clap::Subcommand;
use serde::Serialize;
use thunderhead_auth::operator::OperatorError;
use thunderhead_auth::tokens::keys::{KeyUse, key_uses};
use thunderhead_domain::ports::{Clock, SigningKeyRecord};

use super::form::{Form, JsonList};
use super::on_database;
use crate::config::Config;
use crate::error::CommandError;
use crate::key_file::{self, LoadedKeys};
use crate::system::{SystemClock, SystemRandom};

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Show all of them, newest first, and what each does.
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

/// A signing key in JSON: nothing of the key itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyJson {
    kid: String,
    #[serde(rename = "use")]
    key_use: &'static str,
    signs_from: String,
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
        KeyCommand::List { form } => print(form, &operator.key_list().await?),
        KeyCommand::Rotate { form } => {
            let keys = key_file::load(config, &SystemRandom)?;
            let rotated = operator.key_rotate(&keys.keys).await;
            print(form, &rotated.map_err(|error| misfit(&keys, error))?)
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

fn print(form: Form, keys: &[SigningKeyRecord]) -> Result<String, CommandError> {
    form.print(&JsonList::whole(shown(keys)), || table(keys))
}

fn shown(keys: &[SigningKeyRecord]) -> Vec<KeyJson> {
    let json = |(key, key_use): (&SigningKeyRecord, _)| KeyJson {
        kid: key.kid.clone(),
        key_use: use_name(key_use),
        signs_from: key.signs_from.to_string(),
        created_at: key.created_at.to_string(),
    };
    key_uses(keys, SystemClock.now()).into_iter().map(json).collect()
}

fn table(keys: &[SigningKeyRecord]) -> String {
    let row = |key: KeyJson| format!("{}  {:<9}from {}", key.kid, key.key_use, key.signs_from);
    shown(keys).into_iter().map(row).collect::<Vec<_>>().join("\n")
}

const fn use_name(key_use: KeyUse) -> &'static str {
    match key_use {
        KeyUse::Next => "next",
        KeyUse::Signs => "signs",
        KeyUse::Verifies => "verifies",
    }
}
