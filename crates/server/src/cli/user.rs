//! `thunderhead user …`.

use std::sync::Arc;

use anyhow::Context;
use clap::Subcommand;
use serde::Serialize;
use thunderhead_auth::operator::{AccountForm, Operator};
use thunderhead_auth::password::PasswordHasher;
use thunderhead_auth::work::WorkPool;
use thunderhead_domain::ports::{Page, PageRequest};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;

use super::password::PasswordFlags;
use super::{Form, List, block_on, operator};
use crate::config::Config;
use crate::database;
use crate::failure::Failure;
use crate::system::SystemRandom;

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Make a user. The password is asked for, or comes from the standard input or a file.
    Create {
        /// 1 to 64 of a-z A-Z 0-9 _ - .
        name: String,
        /// The e-mail address
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        /// Make the user staff
        #[arg(long)]
        staff: bool,
        #[command(flatten)]
        password: PasswordFlags,
        #[command(flatten)]
        form: Form,
    },
    /// Show a user.
    Show {
        /// The name or the id
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// List users, the newest first.
    List {
        /// The most users to list
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(..=10_000))]
        limit: u32,
        /// How many to skip
        #[arg(long, default_value_t = 0)]
        offset: u64,
        #[command(flatten)]
        form: Form,
    },
    /// Ban a user, which ends all their sessions.
    Ban {
        /// The name or the id
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// Lift a ban. The sessions that it ended stay ended.
    Unban {
        /// The name or the id
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// Make a user staff.
    Promote {
        /// The name or the id
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// Make a user no longer staff.
    Demote {
        /// The name or the id
        user: String,
        #[command(flatten)]
        form: Form,
    },
}

/// A user in JSON, for the operator alone: it has the address.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserJson {
    id: String,
    uuid: String,
    username: String,
    email: String,
    staff: bool,
    verified_at: Option<String>,
    banned_at: Option<String>,
    created_at: String,
    updated_at: String,
}

/// A user in a list.
#[derive(Serialize)]
struct UserItem {
    id: String,
    username: String,
}

/// Does it; returns what is to be printed.
pub(super) fn run(config: &Config, command: UserCommand) -> Result<String, Failure> {
    if let UserCommand::Create { name, email, staff, password, form } = command {
        let operator = operator(database::open_or_make(config)?);
        let form_of_account = AccountForm { username: name, email, password: password.read()?, staff };
        let user = create(config, &operator, form_of_account)?;
        let title = if staff { " as staff" } else { "" };
        return print(form, &user, |user| format!("Made {} ({}){title}.", user.username, user.id));
    }
    let operator = operator(database::open(config)?);
    block_on(change_or_show(&operator, command))
}

fn create(config: &Config, operator: &Operator, account: AccountForm) -> Result<User, Failure> {
    let pool = WorkPool::start(1, 1).context("the thread for hashing cannot be started")?;
    let hasher = PasswordHasher::new(config.hashing.cost, pool, Arc::new(SystemRandom)).context("`hashing`")?;
    block_on(async { Ok(operator.account_create(&hasher, account).await?) })
}

async fn change_or_show(operator: &Operator, command: UserCommand) -> Result<String, Failure> {
    match command {
        // It is done before the database is opened, which it may have to make.
        UserCommand::Create { .. } => Ok(String::new()),
        UserCommand::Show { user, form } => print(form, &operator.account(&user).await?, described),
        UserCommand::List { limit, offset, form } => {
            let page = operator.account_list(PageRequest { limit, offset }).await?;
            let items = page.items.iter().map(UserItem::from).collect();
            form.print(&List { count: page.count, items }, || table(&page))
        }
        UserCommand::Ban { user, form } => {
            let (user, ended) = operator.account_ban(&user).await?;
            print(form, &user, |user| format!("Banned {}, and ended {ended} of their sessions.", user.username))
        }
        UserCommand::Unban { user, form } => {
            print(form, &operator.account_unban(&user).await?, |user| format!("{} is not banned.", user.username))
        }
        UserCommand::Promote { user, form } => {
            let told = |user: &User| format!("{} is staff. Staff endpoints ask for a second factor.", user.username);
            print(form, &operator.account_promote(&user).await?, told)
        }
        UserCommand::Demote { user, form } => {
            print(form, &operator.account_demote(&user).await?, |user| format!("{} is not staff.", user.username))
        }
    }
}

fn print(form: Form, user: &User, plain: impl FnOnce(&User) -> String) -> Result<String, Failure> {
    form.print(&UserJson::from(user), || plain(user))
}

/// All that is known of a user, for a person.
fn described(user: &User) -> String {
    let moment = |at: Option<Timestamp>| at.map_or_else(|| "no".to_owned(), |at| at.to_string());
    let staff = if user.staff { "yes" } else { "no" };
    [
        ("id", user.id.to_string()),
        ("uuid", user.uuid.to_string()),
        ("username", user.username.to_string()),
        ("email", user.email.as_str().to_owned()),
        ("staff", staff.to_owned()),
        ("verified", moment(user.verified_at)),
        ("banned", moment(user.banned_at)),
        ("created", user.created_at.to_string()),
        ("updated", user.updated_at.to_string()),
    ]
    .map(|(name, value)| format!("{name:<10}{value}"))
    .join("\n")
}

fn table(page: &Page<User>) -> String {
    let rows = page.items.iter().map(|user| format!("{}  {}\n", user.id, user.username));
    rows.chain([format!("{} of {}", page.items.len(), page.count)]).collect()
}

impl From<&User> for UserJson {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            uuid: user.uuid.to_string(),
            username: user.username.to_string(),
            email: user.email.as_str().to_owned(),
            staff: user.staff,
            verified_at: user.verified_at.map(|at| at.to_string()),
            banned_at: user.banned_at.map(|at| at.to_string()),
            created_at: user.created_at.to_string(),
            updated_at: user.updated_at.to_string(),
        }
    }
}

impl From<&User> for UserItem {
    fn from(user: &User) -> Self {
        Self { id: user.id.to_string(), username: user.username.to_string() }
    }
}
