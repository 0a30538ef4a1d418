//! `thunderhead user …`: accounts, when nobody is there who could do it over HTTP.

mod factors;
mod links;
mod view;

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use clap::Subcommand;
use thunderhead_auth::credentials::password::PasswordHasher;
use thunderhead_auth::operator::{AccountForm, Invitation, KnownUser, Operator};
use thunderhead_auth::search::account_query::AccountQuery;
use thunderhead_auth::work::WorkPool;
use thunderhead_domain::label::is_printable;
use thunderhead_domain::search::KeysetPage;
use thunderhead_domain::user::User;

use self::factors::FactorCommand;
use self::view::{AccountUpdateJson, HashFormatJson, KnownJson, UserJson, described, hash_formats, table};
use super::confirm::{ConfirmFlags, Consent};
use super::form::{Form, JsonList, PageFlags};
use super::listing::{Amount, Listing};
use super::on_database;
use super::password::PasswordFlags;
use super::session::sessions;
use crate::config::Config;
use crate::error::CommandError;
use crate::system::SystemRandom;

/// The longest reason of a ban, in characters: as over HTTP.
const LONGEST_REASON: usize = 1_024;

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Make a user. The password is asked for, comes from the standard input or a file, or is set by a link.
    Create {
        /// 1 to 64 of a-z A-Z 0-9 _ - . , the first a letter, a digit or _
        name: String,
        /// The e-mail address
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        /// Make the user staff
        #[arg(long)]
        staff: bool,
        /// Print a one-time link by which the user sets the password
        #[arg(long, conflicts_with_all = ["password_stdin", "password_file"])]
        link: bool,
        #[command(flatten)]
        password: PasswordFlags,
        #[command(flatten)]
        form: Form,
    },
    /// Show a user.
    Show {
        /// The name, the id or the e-mail address
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// List users, the newest first; or those who are searched for, by name; or count how their passwords are hashed.
    List {
        /// The user of this id, uuid or e-mail address, or those whose names begin like this
        #[arg(long, value_name = "TEXT", conflicts_with = "offset")]
        search: Option<String>,
        /// List all that are found, however many they are
        #[arg(long, requires = "search", conflicts_with = "limit")]
        all: bool,
        /// Count the users by the format of their password's hash, to see whose is still to be made anew
        #[arg(long, conflicts_with_all = ["search", "limit", "offset"])]
        hash_format: bool,
        #[command(flatten)]
        paging: PageFlags,
        #[command(flatten)]
        form: Form,
    },
    /// Ban a user, which ends all their sessions.
    Ban {
        /// The name, the id or the e-mail address
        user: String,
        /// Why: kept in the audit trail
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Lift a ban. The sessions that it ended stay ended.
    Unban {
        /// The name, the id or the e-mail address
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// Say that a user's address was found to be theirs.
    Verify {
        /// The name, the id or the e-mail address
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// Say that it is not known whether a user's address is theirs.
    Unverify {
        /// The name, the id or the e-mail address
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// Forget all failed logins of a user, so that nobody has to wait before the next attempt.
    Unlock {
        /// The name, the id or the e-mail address
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// Make a user staff, which ends all their sessions.
    Promote {
        /// The name, the id or the e-mail address
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// Make a user no longer staff, which ends their sessions with staff scopes.
    Demote {
        /// The name, the id or the e-mail address
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// Set a user's password, which ends all their sessions. It is asked for, or comes from the standard input or a
    /// file.
    SetPassword {
        /// The name, the id or the e-mail address
        user: String,
        #[command(flatten)]
        password: PasswordFlags,
        #[command(flatten)]
        form: Form,
    },
    /// Print a one-time link by which a user sets a password, which ends all their sessions: for who has lost it.
    Link {
        /// The name, the id or the e-mail address
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// Second factors, for the person who has lost theirs.
    #[command(subcommand)]
    Factors(FactorCommand),
    /// Delete a user with all their sessions. There is no way back.
    Delete {
        /// The name, the id or the e-mail address
        user: String,
        #[command(flatten)]
        confirm_flags: ConfirmFlags,
        #[command(flatten)]
        form: Form,
    },
}

/// Does it; returns what is to be printed.
pub(super) fn run(config: &Config, command: UserCommand, out: &mut dyn Write) -> Result<String, CommandError> {
    match command {
        UserCommand::Create { name, email, staff, link: true, form, .. } => on_database(config, async |operator| {
            links::invite(config, &operator, Invitation { username: name, email, staff }, form).await
        }),
        UserCommand::Create { name, email, staff, link: false, password, form } => {
            on_database(config, async |operator| {
                let account = AccountForm { username: name, email, password: password.read()?, staff };
                create(config, &operator, account, form).await
            })
        }
        UserCommand::Show { user, form } => {
            on_database(config, async |operator| print(form, &operator.account(&user).await?, described))
        }
        UserCommand::List { hash_format: true, form, .. } => on_database(config, async |operator| {
            let counts = operator.hash_formats(&hasher(config)?).await?;
            let items: Vec<_> = counts.into_iter().map(|(hash, count)| HashFormatJson::new(hash, count)).collect();
            let count = items.iter().map(|item| item.users).sum();
            form.print(&JsonList { count, items: items.clone() }, || hash_formats(&items))
        }),
        UserCommand::List { search: Some(text), all, paging, form, .. } => {
            let listing = Listing::new(out, form, Amount::new(paging.limit(), all), view::HEAD);
            on_database(config, async |operator| search(&operator, &AccountQuery::read(&text), listing).await)
        }
        UserCommand::List { search: None, paging, form, .. } => on_database(config, async |operator| {
            let page = operator.account_list(paging.into()).await?;
            let items = page.items.iter().map(UserJson::from).collect();
            form.print(&JsonList { count: page.count, items }, || table(&page))
        }),
        UserCommand::Ban { user, reason, form } => on_database(config, async |operator| {
            let (user, ended) = operator.account_ban(&user, reason).await?;
            print_update(form, &user, ended, |user| format!("Banned {user}"))
        }),
        UserCommand::Unban { user, form } => on_database(config, async |operator| {
            print_known(form, &operator.account_unban(&user).await?, |user| format!("{user} is not banned."))
        }),
        UserCommand::Verify { user, form } => on_database(config, async |operator| {
            let told = |user: &User| format!("The address of {} is verified.", user.username);
            print(form, &operator.account_set_verified(&user, true).await?, told)
        }),
        UserCommand::Unverify { user, form } => on_database(config, async |operator| {
            let told = |user: &User| format!("The address of {} is not verified.", user.username);
            print(form, &operator.account_set_verified(&user, false).await?, told)
        }),
        UserCommand::Unlock { user, form } => on_database(config, async |operator| {
            let (user, unlocked) = operator.account_unlock(&user).await?;
            let told = if unlocked { "can log in without waiting." } else { "had no failed logins." };
            print_known(form, &user, |user| format!("{user} {told}"))
        }),
        UserCommand::Promote { user, form } => on_database(config, async |operator| {
            let told = |user: &KnownUser| {
                format!("{user} is staff, and signed out everywhere. Staff endpoints ask for a second factor.")
            };
            print_known(form, &operator.account_promote(&user).await?, told)
        }),
        UserCommand::Demote { user, form } => on_database(config, async |operator| {
            print_known(form, &operator.account_demote(&user).await?, |user| format!("{user} is not staff."))
        }),
        UserCommand::SetPassword { user, password, form } => {
            on_database(config, async |operator| set_password(config, &operator, &user, &password, form).await)
        }
        UserCommand::Link { user, form } => {
            on_database(config, async |operator| links::make(config, &operator, &user, form).await)
        }
        UserCommand::Factors(command) => factors::run(config, command),
        UserCommand::Delete { user, confirm_flags, form } => {
            let consent = confirm_flags.consent()?;
            on_database(config, async |operator| delete(&operator, &user, consent, form).await)
        }
    }
}

async fn search(
    operator: &Operator,
    query: &AccountQuery,
    mut listing: Listing<'_, { view::HEAD.len() }>,
) -> Result<String, CommandError> {
    let mut after = None;
    while let Some(wanted) = listing.wanted() {
        let KeysetPage { items, next } = operator.account_search(query, after, wanted).await?;
        listing.print(items.iter().map(|user| (UserJson::from(user), view::row(user))))?;
        after = next;
        if after.is_none() {
            return Ok(listing.end(false));
        }
    }
    Ok(listing.end(true))
}

async fn create(
    config: &Config,
    operator: &Operator,
    account: AccountForm,
    form: Form,
) -> Result<String, CommandError> {
    let user = operator.account_create(&hasher(config)?, account).await?;
    let title = if user.staff { " as staff" } else { "" };
    print(form, &user, |user| format!("Made {} ({}){title}.", user.username, user.id))
}

async fn set_password(
    config: &Config,
    operator: &Operator,
    user: &str,
    password: &PasswordFlags,
    form: Form,
) -> Result<String, CommandError> {
    // Nobody types a password twice to hear then that there is no such user.
    let user = operator.known_account(user).await?;
    let password = password.read()?;
    let (user, ended) = operator.account_set_password(&hasher(config)?, &user.id.to_string(), password).await?;
    print_update(form, &user, ended, |user| format!("Set the password of {user}"))
}

async fn delete(operator: &Operator, user: &str, consent: Consent, form: Form) -> Result<String, CommandError> {
    let user = operator.known_account(user).await?;
    consent.to(&format!("Delete {user} ({}) with all their sessions", user.id))?;
    let deleted = operator.account_delete(&user.id.to_string()).await?;
    print_known(form, &deleted, |user| format!("Deleted {user} ({}).", user.id))
}

pub(super) fn hasher(config: &Config) -> Result<PasswordHasher, CommandError> {
    let pool = WorkPool::start(1, 1).context("the thread for hashing cannot be started")?;
    Ok(PasswordHasher::new(config.hashing.cost, pool, Arc::new(SystemRandom)).context("`hashing`")?)
}

fn print(form: Form, user: &User, plain: impl FnOnce(&User) -> String) -> Result<String, CommandError> {
    form.print(&UserJson::from(user), || plain(user))
}

/// The same of a user whose row need not be readable.
fn print_known(form: Form, user: &KnownUser, plain: impl FnOnce(&KnownUser) -> String) -> Result<String, CommandError> {
    form.print(&KnownJson::from(user), || plain(user))
}

/// After a change that ended sessions.
fn print_update(
    form: Form,
    user: &KnownUser,
    sessions_ended: u64,
    done: impl FnOnce(&KnownUser) -> String,
) -> Result<String, CommandError> {
    let plain = || format!("{}, and ended {}.", done(user), sessions(sessions_ended));
    form.print(&AccountUpdateJson { user: KnownJson::from(user), sessions_ended }, plain)
}

/// Printable, because operators read it in a terminal.
fn reason(text: &str) -> Result<String, String> {
    let fits = text.chars().nth(LONGEST_REASON).is_none() && is_printable(text);
    if fits { Ok(text.to_owned()) } else { Err(format!("expected at most {LONGEST_REASON} printable characters")) }
}
