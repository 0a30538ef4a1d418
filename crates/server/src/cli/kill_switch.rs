//! `thunderhead kill-switch …`: for when nobody can log in to do it over HTTP.

use clap::Subcommand;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use thunderhead_domain::switch::{KillSwitch, SwitchSet};

use super::form::{Form, JsonList};
use super::on_database;
use crate::config::Config;
use crate::error::CommandError;

/// The numbers of the switches, as they are typed.
const NUMBERS: [&str; KillSwitch::TABLE.len()] = ["0", "1", "2", "3", "4", "5", "6", "7", "8"];

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
    let value = |(switch, name): (KillSwitch, _)| PossibleValue::new(name).alias(NUMBERS[usize::from(switch.id())]);
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
        assert_eq!(table(set).lines().filter(|line| line.ends_with(" off")).count(), 8);
        let json = serde_json::to_value(list(set)).unwrap();
        assert_eq!(json["count"], 9);
        assert_eq!(json["items"][4], serde_json::json!({ "id": 4, "name": "ACCOUNT_LOGIN", "state": true }));
    }
}
