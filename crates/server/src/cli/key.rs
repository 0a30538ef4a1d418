//! `thunderhead key …`: the keys that tokens are signed with.

use clap::Subcommand;
use serde::Serialize;
use thunderhead_auth::keys::{KeyUse, key_uses};
use thunderhead_domain::ports::{Clock, SigningKeyRecord};

use super::form::{Form, List};
use super::on_database;
use crate::config::Config;
use crate::failure::Failure;
use crate::key_file;
use crate::system::{SystemClock, SystemRandom};

/// What can be done with signing keys.
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

/// Does it; returns what is to be printed.
pub(super) fn run(config: &Config, command: KeyCommand) -> Result<String, Failure> {
    let (form, rotates) = match command {
        KeyCommand::List { form } => (form, false),
        KeyCommand::Rotate { form } => (form, true),
    };
    on_database(config, async |operator| {
        let keys = if rotates {
            let encryption_key = key_file::load(config, &SystemRandom)?.key;
            operator.key_rotate(&encryption_key).await?
        } else {
            operator.key_list().await?
        };
        let shown = shown(&keys);
        form.print(&List::whole(shown), || table(&keys))
    })
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
