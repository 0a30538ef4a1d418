//! `thunderhead user factors …`: for the person who has lost their phone.

use clap::Subcommand;
use serde::Serialize;
use thunderhead_domain::factor::{Factor, FactorId};

use crate::cli::confirm::ConfirmFlags;
use crate::cli::form::{Form, JsonList, PageFlags};
use crate::cli::on_database;
use crate::config::Config;
use crate::error::CommandError;

/// What can be done with a user's second factors.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum FactorCommand {
    /// List them, the newest first.
    List {
        /// The name, the id or the e-mail address
        user: String,
        #[command(flatten)]
        paging: PageFlags,
        #[command(flatten)]
        form: Form,
    },
    /// Remove one. With the last one the backup codes are void.
    Remove {
        /// The name, the id or the e-mail address
        user: String,
        /// The factor's id
        #[arg(value_parser = factor_id)]
        factor: FactorId,
        #[command(flatten)]
        confirm_flags: ConfirmFlags,
        #[command(flatten)]
        form: Form,
    },
    /// Remove all, and void the backup codes: from then on the password alone logs the user in.
    Reset {
        /// The name, the id or the e-mail address
        user: String,
        #[command(flatten)]
        confirm_flags: ConfirmFlags,
        #[command(flatten)]
        form: Form,
    },
}

/// A factor in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FactorJson {
    id: String,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    used_at: Option<String>,
    created_at: String,
}

/// How many factors were removed.
#[derive(Serialize)]
struct RemovedJson {
    removed: u64,
}

impl From<&Factor> for FactorJson {
    fn from(factor: &Factor) -> Self {
        Self {
            id: factor.id.to_string(),
            name: factor.name.as_str().to_owned(),
            kind: factor.kind.name(),
            used_at: factor.used_at.map(|at| at.to_string()),
            created_at: factor.created_at.to_string(),
        }
    }
}

/// Does it; returns what is to be printed.
pub(super) fn run(config: &Config, command: FactorCommand) -> Result<String, CommandError> {
    match command {
        FactorCommand::List { user, paging, form } => on_database(config, async |operator| {
            let page = operator.factor_list(&user, paging.into()).await?;
            let items = page.items.iter().map(FactorJson::from).collect();
            form.print(&JsonList { count: page.count, items }, || {
                let rows = page.items.iter().map(row);
                rows.chain([format!("{} of {}", page.items.len(), page.count)]).collect()
            })
        }),
        FactorCommand::Remove { user, factor, confirm_flags, form } => {
            let consent = confirm_flags.consent()?;
            on_database(config, async |operator| {
                let user = operator.known_account(&user).await?;
                consent.to(&format!("Remove factor {factor} of {user} ({})", user.id))?;
                operator.factor_remove(&user.id.to_string(), factor).await?;
                form.print(&RemovedJson { removed: 1 }, || format!("Removed factor {factor} of {user}."))
            })
        }
        FactorCommand::Reset { user, confirm_flags, form } => {
            let consent = confirm_flags.consent()?;
            on_database(config, async |operator| {
                let user = operator.known_account(&user).await?;
                consent.to(&format!("Remove all second factors of {user} ({})", user.id))?;
                let removed = operator.factor_reset(&user.id.to_string()).await?;
                let factors = if removed == 1 { "factor" } else { "factors" };
                form.print(&RemovedJson { removed }, || format!("Removed {removed} {factors} of {user}."))
            })
        }
    }
}

fn row(factor: &Factor) -> String {
    let used = factor.used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {at}"));
    format!("{}  {:<8}  {}  {used}\n", factor.id, factor.kind.name(), factor.name.as_str())
}

fn factor_id(text: &str) -> Result<FactorId, String> {
    text.parse().map_err(|_| "expected the id of a factor, as `user factors list` shows it".to_owned())
}
