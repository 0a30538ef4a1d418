//! `thunderhead config …`: the settings that hold, and where each came from.

use clap::Subcommand;
use serde::Serialize;

use super::form::{Form, JsonList, columns};
use crate::config::{Config, Setting, Sources, ValueSource};
use crate::error::CommandError;

/// What can be done with the settings.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show every setting with its value and where that came from. Secrets are not shown.
    Show {
        #[command(flatten)]
        form: Form,
    },
}

/// A setting in JSON.
#[derive(Serialize)]
struct SettingJson<'a> {
    key: &'static str,
    variable: String,
    value: Option<&'a str>,
    source: &'static str,
    #[serde(rename = "from")]
    place: Option<&'a str>,
}

/// Does it; returns what is to be printed.
pub(super) fn run(sources: &Sources, ConfigCommand::Show { form }: ConfigCommand) -> Result<String, CommandError> {
    let (_, settings) = Config::load_and_show(sources)?;
    form.print(&JsonList::whole(settings.iter().map(SettingJson::from).collect()), || table(&settings))
}

fn table(settings: &[Setting]) -> String {
    let row = |setting: &Setting| {
        let value = match setting.value.as_deref() {
            None => "(not set)",
            Some("") => "(empty)",
            Some(value) => value,
        };
        [setting.key.to_owned(), value.to_owned(), setting.origin.to_string()]
    };
    columns(settings.iter().map(row).collect())
}

impl<'a> From<&'a Setting> for SettingJson<'a> {
    fn from(setting: &'a Setting) -> Self {
        let (source, place) = match &setting.origin {
            ValueSource::Default => ("default", None),
            ValueSource::Build => ("build", None),
            ValueSource::File(path) => ("file", Some(path.as_str())),
            ValueSource::Variable(name) => ("environment", Some(name.as_str())),
            ValueSource::Flag(name) => ("flag", Some(*name)),
        };
        Self { key: setting.key, variable: setting.variable(), value: setting.value.as_deref(), source, place }
    }
}
