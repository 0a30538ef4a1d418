//! `thunderhead kill-switch …`: for when nobody can log in to do it over HTTP.

use clap::Subcommand;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use thunderhead_domain::switch::{KillSwitch, SwitchSet};

use super::form::{Form, JsonList};
use super::on_database;
use crate::config::Config;
use crate::error::CommandError;

/// The numbers of switches, as they are typed.
const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// What can be done with kill switches.
#[derive(Debug, Subcommand)]
pub(super) enum KillSwitchCommand {
    /// Show all of them.
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Turn one on: what it stands for is shut, at once and on every replica.
    On {
        /// The name or the number
        #[arg(value_parser = switches())]
        switch: KillSwitch,
        #[command(flatten)]
        form: Form,
    },
    /// Turn one off.
    Off {
        /// The name or the number
        #[arg(value_parser = switches())]
        switch: KillSwitch,
        #[command(flatten)]
        form: Form,
    },
}

/// A kill switch in JSON.
#[derive(Serialize)]
struct SwitchJson {
    id: u8,
    name: &'static str,
    state: bool,
}

/// Does it; returns what is to be printed.
pub(super) fn run(config: &Config, command: KillSwitchCommand) -> Result<String, CommandError> {
    on_database(config, async |operator| {
        let (form, set, plain) = match command {
            KillSwitchCommand::List { form } => {
                let set = operator.switches().await?;
                (form, set, table(set))
            }
            KillSwitchCommand::On { switch, form } => {
                (form, operator.switch_set(switch, true).await?, format!("{switch} is on."))
            }
            KillSwitchCommand::Off { switch, form } => {
                (form, operator.switch_set(switch, false).await?, format!("{switch} is off."))
            }
        };
        form.print(&list(set), || plain)
    })
}

/// The names, which are listed, and the numbers, which are understood too.
fn switches() -> impl TypedValueParser<Value = KillSwitch> {
    let digit = |switch: KillSwitch| DIGITS.get(usize::from(switch.id())).copied();
    let value = |(switch, name): (KillSwitch, _)| PossibleValue::new(name).aliases(digit(switch));
    PossibleValuesParser::new(KillSwitch::TABLE.map(value)).try_map(|text| text.parse::<KillSwitch>())
}

fn list(set: SwitchSet) -> JsonList<SwitchJson> {
    let json = |(switch, name): (KillSwitch, _)| SwitchJson { id: switch.id(), name, state: set.is_on(switch) };
    JsonList::whole(KillSwitch::TABLE.into_iter().map(json).collect())
}

fn table(set: SwitchSet) -> String {
    let state = |switch| if set.is_on(switch) { "on" } else { "off" };
    let row = |(switch, name): (KillSwitch, _)| format!("{}  {name:<22}{}", switch.id(), state(switch));
    KillSwitch::TABLE.map(row).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_is_listed_with_its_state() {
        let set = SwitchSet::NONE.with(KillSwitch::AccountLogin);
        assert_eq!(table(set).lines().nth(4), Some("4  ACCOUNT_LOGIN         on"));
        assert_eq!(table(set).lines().filter(|line| line.ends_with(" off")).count(), KillSwitch::TABLE.len() - 1);
        let json = serde_json::to_value(list(set)).unwrap();
        assert_eq!(json["count"], KillSwitch::TABLE.len());
        assert_eq!(json["items"][4], serde_json::json!({ "id": 4, "name": "ACCOUNT_LOGIN", "state": true }));
    }

    #[test]
    fn the_documentation_says_what_each_switch_shuts() {
        let page = include_str!("../../../../docs/MODEL.md");
        let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| ")).collect();
        for (switch, name) in KillSwitch::TABLE {
            let is_row = |row: &&&str| row.contains(&format!("`{name}`")) && row.contains(&switch.id().to_string());
            let found = rows.iter().filter(is_row).count();
            assert_eq!(found, 1, "docs/MODEL.md, *Kill switches*: write one row for {} `{name}`", switch.id());
        }
    }
}
