//! `thunderhead session …`: looking at sessions, and ending them when nobody can log in to do it over HTTP.

mod view;

use std::io::Write;
use std::net::IpAddr;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use thunderhead_auth::operator::Operator;
use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{Clock, SessionSearch};
use thunderhead_domain::search::KeysetPage;
use thunderhead_domain::session::{Dialect, Session, SessionStatus, State};
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use self::view::SessionJson;
use super::confirm::{ConfirmFlags, Consent};
use super::form::Form;
use super::listing::{Amount, Listing};
use super::moment::moment;
use super::names::Names;
use super::on_database;
use crate::config::Config;
use crate::error::CommandError;
use crate::system::SystemClock;

/// What can be done with sessions.
#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// List sessions, the newest first: those that fit everything that is given.
    ///
    /// They are printed as they are found, so that there may be any number of them.
    List {
        #[command(flatten)]
        filter: SessionFlags,
        #[command(flatten)]
        amount: Amount,
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

/// Which sessions are listed.
#[derive(Debug, clap::Args)]
pub(super) struct SessionFlags {
    /// Those of this user: the name, the id, the uuid or the e-mail address
    #[arg(long)]
    user: Option<String>,
    /// Those that were made from this address
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// Those that are in this state now
    #[arg(long, default_value = SessionStatus::Live.name(), value_parser = states())]
    state: InState,
    /// Those that were made before this moment: 2026-01-31T12:00:00Z, or 2026-01-31
    #[arg(long, value_name = "TIME", value_parser = moment)]
    before: Option<Timestamp>,
    /// Those that were made at this moment or later
    #[arg(long, value_name = "TIME", value_parser = moment)]
    after: Option<Timestamp>,
    /// Those that were made with this API, or on pages
    #[arg(long, value_parser = dialects())]
    dialect: Option<Dialect>,
}

/// In which state; `None` is any.
#[derive(Clone, Copy, Debug)]
struct InState(Option<SessionStatus>);

/// Whatever the state.
const ANY: &str = "any";

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
pub(super) fn run(config: &Config, command: SessionCommand, out: &mut dyn Write) -> Result<String, CommandError> {
    match command {
        SessionCommand::List { filter, amount, form } => {
            let listing = Listing::new(out, form, amount, view::HEAD);
            on_database(config, async |operator| list(&operator, filter, listing).await)
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

async fn list(
    operator: &Operator,
    filter: SessionFlags,
    mut listing: Listing<'_, { view::HEAD.len() }>,
) -> Result<String, CommandError> {
    let search = filter.resolve(operator).await?;
    let mut after = None;
    while let Some(wanted) = listing.wanted() {
        let KeysetPage { items, next } = operator.session_search(search, after, wanted).await?;
        let users = items.iter().map(|found| &found.user);
        let names = Names::beside(operator, users, items.iter().filter_map(|found| ender(&found.session))).await?;
        let now = SystemClock.now();
        let shown = |found: &AuthenticatedSession| {
            let AuthenticatedSession { session, .. } = found;
            (SessionJson::new(session, &names, now), view::row(session, &names, now))
        };
        listing.print(items.iter().map(shown))?;
        after = next;
        if after.is_none() {
            return Ok(listing.end(false));
        }
    }
    Ok(listing.end(true))
}

async fn show(operator: &Operator, session: SessionUuid, form: Form) -> Result<String, CommandError> {
    let session = operator.session(session).await?;
    let names = Names::of(operator, [Some(session.user), ender(&session)].into_iter().flatten()).await?;
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

impl SessionFlags {
    async fn resolve(self, operator: &Operator) -> Result<SessionSearch, CommandError> {
        let user = match self.user {
            None => None,
            Some(user) => Some(operator.session_owner(&user).await?),
        };
        let Self { ip: client_ip, state: InState(status), before: until, after: since, dialect, .. } = self;
        Ok(SessionSearch { user, client_ip, since, until, dialect, status })
    }
}

fn states() -> impl TypedValueParser<Value = InState> {
    let names = SessionStatus::TABLE.map(|(_, name)| name).into_iter().chain([ANY]);
    PossibleValuesParser::new(names).map(|name| InState(SessionStatus::from_name(&name)))
}

fn dialects() -> impl TypedValueParser<Value = Dialect> {
    let names = Dialect::TABLE.map(|(_, name)| name);
    PossibleValuesParser::new(names).try_map(|name| Dialect::from_name(&name).ok_or("there is no such dialect"))
}

/// Who ended a session, if it was a user. Who the policy ended, nobody has.
const fn ender(session: &Session) -> Option<UserId> {
    match session.state {
        State::Open | State::Expired => None,
        State::Ended(end) => end.by.user(),
    }
}

fn session_uuid(text: &str) -> Result<SessionUuid, String> {
    text.parse::<Uuid>()
        .map(SessionUuid)
        .map_err(|_| "expected a session's uuid, as `session list` shows it".to_owned())
}
