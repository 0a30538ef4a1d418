//! `thunderhead webhook …`: endpoints that events are posted to.

mod view;

use anyhow::Error;
use clap::Subcommand;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use thunderhead_auth::webhooks::manage::{WebhookError, WebhookForm};
use thunderhead_domain::event::EventTypes;
use thunderhead_domain::webhook::WebhookState;
use thunderhead_webhook_client::WebhookClient;

use self::view::WebhookJson;
use super::form::{Form, JsonList};
use super::on_database;
use crate::config::Config;
use crate::error::CommandError;
use crate::key_file::{self, LoadedKeys};
use crate::system::SystemRandom;

/// What can be done with webhooks.
#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// Add an endpoint, which gets what happens from now on. Its secret is printed once, and cannot be had again.
    ///
    /// Events are posted in order, each until it is answered with a status of 2xx, and signed as Standard Webhooks 1.0
    /// says. The URL is https; http is for this machine alone.
    Add {
        /// Its name: 1 to 64 of a-z A-Z 0-9 _ - . , the first a letter, a digit or _
        name: String,
        /// Where events are posted to
        url: String,
        /// Which events: names of types separated by commas, or `session.*` for all that begin so
        #[arg(long, value_name = "TYPES", default_value = "*")]
        types: EventTypes,
        /// Send personal data too: addresses, names, agents and who it was
        #[arg(long)]
        with_personal: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Show all of them, how each stands, and how far it has got.
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Remove one: nothing is sent to it any more.
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// Give one another secret, which is printed once. For a day, the old one signs as well.
    Rotate {
        /// Its name
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// Send one a `webhook.test` from here, at once, and show what it answers. It is no event, and moves nothing.
    Test {
        /// Its name
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// Try one again at once that is parked, off, or waits: it goes on from where it stopped.
    ///
    /// Where the events that follow are not kept any more, or a backup was restored, it goes on from the first there is.
    Resend {
        /// Its name
        name: String,
        #[command(flatten)]
        form: Form,
    },
}

/// A new endpoint, or a new secret, in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretJson<'a> {
    name: &'a str,
    secret: &'a str,
    /// Until when the secret before it signs as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_until: Option<String>,
}

/// What was done, in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DoneJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

/// Does it; returns what is to be printed.
pub(super) fn run(config: &Config, command: WebhookCommand) -> Result<String, CommandError> {
    on_database(config, async |operator| {
        let webhooks = operator.webhooks();
        match command {
            WebhookCommand::Add { name, url, types, with_personal, form } => {
                let keys = key_file::load(config, &SystemRandom)?;
                let wanted = WebhookForm { name: name.clone(), url, types, personal: with_personal };
                let added = webhooks.add(&keys.keys, wanted).await.map_err(|error| misfit(config, &keys, error))?;
                let (text, name) = (added.text(), name.as_str());
                let secret = text.expose_secret();
                form.print(&SecretJson { name, secret, previous_until: None }, || secret.to_owned())
            }
            WebhookCommand::List { form } => {
                let all: Vec<_> = webhooks.list().await?.iter().map(WebhookJson::from).collect();
                let plain = all.iter().map(WebhookJson::plain).collect::<Vec<_>>().join("\n");
                form.print(&JsonList::whole(all), || plain)
            }
            WebhookCommand::Remove { name, form } => {
                webhooks.remove(&name).await?;
                let done = DoneJson { name: &name, removed: Some(true), resumed: None, status: None };
                form.print(&done, || format!("Removed {name}."))
            }
            WebhookCommand::Rotate { name, form } => {
                let keys = key_file::load(config, &SystemRandom)?;
                let rotated = webhooks.rotate(&keys.keys, &name).await;
                let (added, previous) = rotated.map_err(|error| misfit(config, &keys, error))?;
                let (text, name) = (added.text(), name.as_str());
                let (secret, until) = (text.expose_secret(), previous.until.to_string());
                form.print(&SecretJson { name, secret, previous_until: Some(until) }, || secret.to_owned())
            }
            WebhookCommand::Test { name, form } => {
                let keys = key_file::load(config, &SystemRandom)?;
                let sent = webhooks.test(&keys.keys, &WebhookClient::default(), &name).await;
                let status = sent.map_err(|error| misfit(config, &keys, error))?.status;
                if !(200..300).contains(&status) {
                    return Err(CommandError::Refused(Error::msg(format!("{name} answered {status}"))));
                }
                let done = DoneJson { name: &name, removed: None, resumed: None, status: Some(status) };
                form.print(&done, || format!("{name} answered {status}."))
            }
            WebhookCommand::Resend { name, form } => {
                let before = webhooks.resend(&name).await?;
                let done = DoneJson { name: &name, removed: None, resumed: Some(true), status: None };
                form.print(&done, || match before.progress.state {
                    WebhookState::Delivering => format!("{name} was waiting for nothing."),
                    WebhookState::Retrying { .. } | WebhookState::Stopped { .. } => format!("{name} is tried again."),
                })
            }
        }
    })
}

/// Names the two that do not fit, where the key is not the database's.
fn misfit(config: &Config, keys: &LoadedKeys, error: WebhookError) -> CommandError {
    match error {
        WebhookError::Key(error) => CommandError::keys(error, || keys.misfit(&config.database.url)),
        other => other.into(),
    }
}
