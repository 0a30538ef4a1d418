//! `thunderhead audit …`: who did what to whom, when, from where and why.

use std::net::IpAddr;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use thunderhead_auth::operator::{Operator, OperatorError};
use thunderhead_domain::audit::{AuditFilter, AuditKind, AuditRecord};
use thunderhead_domain::id::UserId;
use thunderhead_domain::session::Actor;
use thunderhead_domain::time::Timestamp;

use super::form::{Form, JsonList, PageFlags, page};
use super::moment::moment;
use super::names::Names;
use super::on_database;
use crate::config::Config;
use crate::error::CommandError;

/// What can be done with the audit trail.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// List records, the newest first: those that fit everything that is given.
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        paging: PageFlags,
        #[command(flatten)]
        form: Form,
    },
}

/// Which records are listed.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Done to this user: the name, the e-mail address, or the id, which also finds users who are gone
    #[arg(long)]
    user: Option<String>,
    /// Done by this user (name, id or e-mail address); by `command-line`; or by a `stranger`
    #[arg(long, value_name = "USER")]
    by: Option<String>,
    /// Of this kind
    #[arg(long, value_parser = kinds())]
    kind: Option<AuditKind>,
    /// At or after this moment: 2026-01-31T12:00:00Z, or 2026-01-31
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Before this moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// From this client address
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
}

/// A record in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordJson {
    number: i64,
    at: String,
    by: String,
    by_name: Option<String>,
    client_ip: Option<IpAddr>,
    kind: &'static str,
    user: Option<String>,
    username: Option<String>,
    session: Option<String>,
    detail: Option<String>,
    new_device: bool,
}

/// Does it; returns what is to be printed.
pub(super) fn run(config: &Config, command: AuditCommand) -> Result<String, CommandError> {
    let AuditCommand::List { filter, paging, form } = command;
    on_database(config, async |operator| {
        let filter = filter.resolve(&operator).await?;
        let records = operator.audit_list(filter, paging.into()).await?;
        let users = records.items.iter().flat_map(|record| [record.user, record.action.by.user()]).flatten();
        let names = Names::of(&operator, users).await?;
        let items = records.items.iter().map(|record| RecordJson::new(record, &names)).collect();
        form.print(&JsonList { count: records.count, items }, || table(&records.items, &names, records.count))
    })
}

impl Filter {
    async fn resolve(self, operator: &Operator) -> Result<AuditFilter, CommandError> {
        let user = match self.user {
            None => None,
            Some(user) => Some(user_id(operator, &user).await?),
        };
        let by = match self.by.as_deref() {
            None => None,
            Some(Actor::COMMAND_LINE) => Some(Actor::CommandLine),
            Some(Actor::STRANGER) => Some(Actor::Stranger),
            Some(Actor::SYSTEM) => Some(Actor::System),
            Some(user) => Some(Actor::User(user_id(operator, user).await?)),
        };
        let Self { kind, since, until, address: client_ip, .. } = self;
        Ok(AuditFilter { user, by, kind, since, until, client_ip })
    }
}

/// An id is taken as it is: the trail outlives the accounts.
async fn user_id(operator: &Operator, name_or_id: &str) -> Result<UserId, CommandError> {
    match name_or_id.parse() {
        Ok(id) => Ok(id),
        Err(_) => match operator.account(name_or_id).await {
            Err(error @ OperatorError::UnknownUser(_)) => {
                Err(CommandError::Refused(anyhow::anyhow!("{error} (users who are gone are found by their id)")))
            }
            user => Ok(user?.id),
        },
    }
}

fn kinds() -> impl TypedValueParser<Value = AuditKind> {
    PossibleValuesParser::new(AuditKind::TABLE.map(|(_, name)| name)).try_map(|name| name.parse::<AuditKind>())
}

impl RecordJson {
    fn new(record: &AuditRecord, names: &Names) -> Self {
        Self {
            number: record.number,
            at: record.action.at.to_string(),
            by: record.action.by.to_string(),
            by_name: record.action.by.user().and_then(|user| names.name(user)),
            client_ip: record.action.client_ip,
            kind: record.kind.name(),
            user: record.user.map(|user| user.to_string()),
            username: record.user.and_then(|user| names.name(user)),
            session: record.session.map(|session| session.to_string()),
            detail: record.detail.clone(),
            new_device: record.new_device,
        }
    }
}

fn table(records: &[AuditRecord], names: &Names, count: u64) -> String {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let row = |record: &AuditRecord| {
        [
            record.action.at.to_string(),
            record.action.by.user().map_or_else(|| record.action.by.to_string(), |user| names.name_or_id(user)),
            or_none(record.action.client_ip.map(|address| address.to_string())),
            record.kind.name().to_owned(),
            or_none(record.user.map(|user| names.name_or_id(user))),
            or_none(record.session.map(|session| session.to_string())),
            or_none(record.detail.clone().or_else(|| record.new_device.then(|| "new device".to_owned()))),
        ]
    };
    let head = ["WHEN", "BY", "FROM", "WHAT", "TO", "SESSION", "WHY"];
    page(head, records.iter().map(row).collect(), count)
}
