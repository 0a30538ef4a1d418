//! `thunderhead session …`: looking at sessions, and ending them when nobody can log in to do it over HTTP.

mod view;

use clap::Subcommand;
use serde::Serialize;
use thunderhead_auth::operator::Operator;
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::ports::Clock;
use thunderhead_domain::session::{Session, State};
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use self::view::SessionJson;
use super::confirm::{ConfirmFlags, Consent};
use super::form::{Form, JsonList, PageFlags};
use super::moment::moment;
use super::names::Names;
use super::on_database;
use crate::config::Config;
use crate::error::CommandError;
use crate::system::SystemClock;

/// What can be done with sessions.
#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// List live sessions, the newest first.
    List {
        /// Those of this user alone: the name, the id or the e-mail address
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        paging: PageFlags,
        #[command(flatten)]
        form: Form,
    },
    /// Show a session, also one that is over.
    Show {
        /// The session's uuid
        #[arg(value_parser = session_uuid)]
        session: SessionUuid,
        #[command(flatten)]
        form: Form,
    },
    /// End a session.
    End {
        /// The session's uuid
        #[arg(value_parser = session_uuid)]
        session: SessionUuid,
        #[command(flatten)]
        form: Form,
    },
    /// End all sessions: everybody's, those of one user, or those from before a moment.
    ///
    /// After a backup was restored on Postgres, sessions that had been ended since it was made are live again:
    /// `session end-all --before` the moment of the restoration ends them. On SQLite, `restore` does it itself.
    ///
    /// Everybody's leave audit records `sessions-ended`, one for some hundreds of them, which say how many there were.
    EndAll {
        /// Those of this user alone: the name, the id or the e-mail address
        #[arg(long, conflicts_with = "before")]
        user: Option<String>,
        /// Everybody's that were made before this moment: 2026-01-31T12:00:00Z, or 2026-01-31
        #[arg(long, value_name = "TIME", value_parser = moment)]
        before: Option<Timestamp>,
        #[command(flatten)]
        confirm_flags: ConfirmFlags,
        #[command(flatten)]
        form: Form,
    },
}

/// What came of ending one session.
#[derive(Serialize)]
struct EndJson {
    uuid: String,
    ended: bool,
}

/// What came of ending many.
#[derive(Serialize)]
struct EndAllJson {
    ended: u64,
}

/// Whose sessions are ended.
enum Whose {
    User(String),
    Everybodys(Option<Timestamp>),
}

/// Does it; returns what is to be printed.
pub(super) fn run(config: &Config, command: SessionCommand) -> Result<String, CommandError> {
    match command {
        SessionCommand::List { user, paging, form } => {
            on_database(config, async |operator| list(&operator, user.as_deref(), paging, form).await)
        }
        SessionCommand::Show { session, form } => {
            on_database(config, async |operator| show(&operator, session, form).await)
        }
        SessionCommand::End { session, form } => {
            on_database(config, async |operator| end(&operator, session, form).await)
        }
        SessionCommand::EndAll { user, before, confirm_flags, form } => {
            let consent = confirm_flags.consent()?;
            let whose = user.map_or(Whose::Everybodys(before), Whose::User);
            on_database(config, async |operator| end_all(&operator, whose, consent, form).await)
        }
    }
}

async fn list(operator: &Operator, user: Option<&str>, paging: PageFlags, form: Form) -> Result<String, CommandError> {
    let page = operator.session_list(user, paging.into()).await?;
    let names = names(operator, &page.items).await?;
    let now = SystemClock.now();
    let items = page.items.iter().map(|session| SessionJson::new(session, &names, now)).collect();
    form.print(&JsonList { count: page.count, items }, || view::table(&page, &names))
}

async fn show(operator: &Operator, session: SessionUuid, form: Form) -> Result<String, CommandError> {
    let session = operator.session(session).await?;
    let names = names(operator, std::slice::from_ref(&session)).await?;
    let json = SessionJson::new(&session, &names, SystemClock.now());
    form.print(&json, || view::described(&json))
}

async fn end(operator: &Operator, session: SessionUuid, form: Form) -> Result<String, CommandError> {
    let ended = operator.session_end(session).await?;
    form.print(&EndJson { uuid: session.to_string(), ended }, || match ended {
        true => format!("Ended session {session}."),
        false => format!("Session {session} was over already."),
    })
}

async fn end_all(operator: &Operator, whose: Whose, consent: Consent, form: Form) -> Result<String, CommandError> {
    let ended = match whose {
        Whose::User(user) => {
            let user = operator.known_account(&user).await?;
            consent.to(&format!("End all sessions of {user} ({})", user.id))?;
            operator.session_end_all(&user.id.to_string()).await?
        }
        Whose::Everybodys(before) => {
            match before {
                None => consent.to("End everybody's sessions")?,
                Some(before) => consent.to(&format!("End everybody's sessions from before {before}"))?,
            }
            operator.session_end_everywhere(before).await?
        }
    };
    form.print(&EndAllJson { ended }, || format!("Ended {}.", sessions(ended)))
}

/// A number of sessions in words.
pub(super) fn sessions(number: u64) -> String {
    match number {
        0 => "no session".to_owned(),
        1 => "1 session".to_owned(),
        number => format!("{number} sessions"),
    }
}

/// The names of all users that sessions speak of.
async fn names(operator: &Operator, sessions: &[Session]) -> Result<Names, CommandError> {
    let ender = |session: &Session| match session.state {
        // Who the policy ended, nobody has.
        State::Open | State::Expired => None,
        State::Ended(end) => end.by.user(),
    };
    let users = sessions.iter().flat_map(|session| [Some(session.user), ender(session)]).flatten();
    Ok(Names::of(operator, users).await?)
}

fn session_uuid(text: &str) -> Result<SessionUuid, String> {
    text.parse::<Uuid>()
        .map(SessionUuid)
        .map_err(|_| "expected a session's uuid, as `session list` shows it".to_owned())
}
