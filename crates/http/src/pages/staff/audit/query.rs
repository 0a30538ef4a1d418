//! Which records are asked for, as it stands in an address.

use thunderhead_domain::audit::{AuditCursor, AuditFilter};
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::id::UserId;
use thunderhead_domain::session::Actor;
use thunderhead_domain::time::Timestamp;

use crate::access::call::Call;
use crate::pages::error::PageError;
use crate::pages::staff::query_string;
use crate::request::moment::moment;

const NAMES: [&str; 6] = ["user", "by", "kind", "address", "from", "to"];

/// What is asked for. Where something of it cannot be, the errors say what.
pub(super) struct AuditQuery {
    asked: Vec<(&'static str, String)>,
    pub(super) filter: Result<AuditFilter, Vec<(&'static str, &'static str)>>,
    /// The place to go on from. What is none counts as absent.
    pub(super) after: Option<AuditCursor>,
}

impl AuditQuery {
    pub(super) async fn read(call: &Call, staff: &StaffPrincipal) -> Result<Self, PageError> {
        let text = |name| call.query(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let asked: Vec<_> = NAMES.into_iter().filter_map(|name| Some((name, text(name)?))).collect();
        let (mut filter, mut errors) = (AuditFilter::default(), Vec::new());
        for (name, text) in &asked {
            let error = match *name {
                "user" => {
                    filter.user = user(call, staff, text).await?;
                    filter.user.is_none().then_some("Nobody has this name. Who was deleted is found by id.")
                }
                "by" => {
                    filter.by = match text.as_str() {
                        Actor::COMMAND_LINE => Some(Actor::CommandLine),
                        Actor::STRANGER => Some(Actor::Stranger),
                        Actor::SYSTEM => Some(Actor::System),
                        text => user(call, staff, text).await?.map(Actor::User),
                    };
                    filter.by.is_none().then_some("Nobody has this name. Who was deleted is found by id.")
                }
                "kind" => {
                    filter.kind = text.parse().ok();
                    filter.kind.is_none().then_some("There is no such kind.")
                }
                "address" => {
                    filter.client_ip = text.parse().ok();
                    filter.client_ip.is_none().then_some("This is no IP address.")
                }
                "from" => {
                    filter.since = moment(text);
                    filter.since.is_none().then_some("Write it like 2026-01-31 or 2026-01-31T12:00.")
                }
                _ => {
                    filter.until = moment(text);
                    filter.until.is_none().then_some("Write it like 2026-01-31 or 2026-01-31T12:00.")
                }
            };
            errors.extend(error.map(|error| (*name, error)));
        }
        let after = call.query("after").as_deref().and_then(cursor);
        Ok(Self { asked, filter: if errors.is_empty() { Ok(filter) } else { Err(errors) }, after })
    }

    /// What was typed.
    pub(super) fn asked(&self, name: &str) -> &str {
        self.asked.iter().find(|(asked, _)| *asked == name).map_or("", |(_, text)| text)
    }

    /// What is wrong with it.
    pub(super) fn error(&self, name: &str) -> Option<&'static str> {
        let errors = self.filter.as_ref().err()?;
        errors.iter().find(|(wrong, _)| *wrong == name).map(|(_, error)| *error)
    }

    /// The same as the text of an address, from another place on.
    pub(super) fn text(&self, after: Option<AuditCursor>) -> String {
        let after = after.map(|place| format!("{}.{}", place.at.unix_millis(), place.number));
        let asked = self.asked.iter().map(|(name, text)| (*name, text.as_str()));
        query_string(&asked.chain(after.as_deref().map(|place| ("after", place))).collect::<Vec<_>>())
    }
}

/// An id is taken as it is: the trail outlives the accounts.
async fn user(call: &Call, staff: &StaffPrincipal, text: &str) -> Result<Option<UserId>, PageError> {
    match text.parse() {
        Ok(id) => Ok(Some(id)),
        Err(_) => Ok(call.auth().search.account(staff, text).await?.map(|user| user.id)),
    }
}

fn cursor(text: &str) -> Option<AuditCursor> {
    let (at, number) = text.split_once('.')?;
    Some(AuditCursor { at: Timestamp::from_unix_millis(at.parse().ok()?), number: number.parse().ok()? })
}
