//! Which sessions staff search for, as it stands in an address: the same for the API and for pages.

use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::ports::{SessionCursor, SessionSearch, StorageError};
use thunderhead_domain::session::{Dialect, SessionStatus};

use crate::access::call::Call;
use crate::request::moment::moment;

/// The parameters, in the order in which those are told that cannot be.
const NAMES: [&str; 7] = ["user", "ip", "before", "after", "dialect", "state", CURSOR];
const CURSOR: &str = "cursor";

/// What is searched for.
#[derive(Debug, Default)]
pub(crate) struct SessionQuery {
    asked: Vec<(&'static str, String)>,
    pub(crate) search: SessionSearch,
    /// The place to go on from.
    pub(crate) after: Option<SessionCursor>,
    /// The parameters that say nothing which can be searched for.
    pub(crate) wrong: Vec<&'static str>,
    /// Whether a user is named whom nobody knows.
    pub(crate) user_is_unknown: bool,
}

impl SessionQuery {
    /// Reads the address. A parameter that is blank is absent.
    pub(crate) async fn read(call: &Call, staff: &StaffPrincipal) -> Result<Self, StorageError> {
        let text = |name| call.query(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut query = Self::parsed(NAMES.into_iter().filter_map(|name| Some((name, text(name)?))).collect());
        if let Some((_, user)) = query.asked.iter().find(|(name, _)| *name == "user") {
            let found = call.auth().search.account(staff, user).await?;
            (query.user_is_unknown, query.search.user) = (found.is_none(), found.map(|user| user.id));
        }
        Ok(query)
    }

    fn parsed(asked: Vec<(&'static str, String)>) -> Self {
        let mut query = Self::default();
        for (name, text) in &asked {
            let search = &mut query.search;
            let read = match *name {
                "ip" => text.parse().is_ok_and(|address| search.client_ip.replace(address).is_none()),
                "before" => moment(text).is_some_and(|at| search.until.replace(at).is_none()),
                "after" => moment(text).is_some_and(|at| search.since.replace(at).is_none()),
                "dialect" => Dialect::from_name(text).is_some_and(|it| search.dialect.replace(it).is_none()),
                "state" => SessionStatus::from_name(text).is_some_and(|it| search.status.replace(it).is_none()),
                CURSOR => text.parse().is_ok_and(|place| query.after.replace(place).is_none()),
                // Who it is, the database knows.
                _ => true,
            };
            if !read {
                query.wrong.push(name);
            }
        }
        Self { asked, ..query }
    }

    /// What was typed.
    pub(crate) fn asked(&self, name: &str) -> &str {
        self.asked.iter().find(|(asked, _)| *asked == name).map_or("", |(_, text)| text)
    }

    /// The same as the text of an address, from another place on.
    pub(crate) fn text(&self, after: Option<SessionCursor>) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(self.asked.iter().filter(|(name, _)| *name != CURSOR));
        if let Some(after) = after {
            text.append_pair(CURSOR, &after.to_string());
        }
        text.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "1767225600123.1767225600.6f1d3b0e8f3a4b5c9d2e1a7c5e9b4d20";

    fn parsed(asked: &[(&'static str, &str)]) -> SessionQuery {
        SessionQuery::parsed(asked.iter().map(|(name, text)| (*name, (*text).to_owned())).collect())
    }

    #[test]
    fn all_that_is_asked_for_is_searched_for_and_stands_in_the_address_of_the_next_page() {
        let asked = [
            ("user", "ada & co"),
            ("ip", "2001:DB8::1"),
            ("before", "2026-01-31"),
            ("after", "2026-01-01T00:00:00.007Z"),
            ("dialect", "kratos"),
            ("state", "second_factor_pending"),
            ("cursor", PLACE),
        ];
        let query = parsed(&asked);
        assert!(query.wrong.is_empty(), "{query:?}");
        let SessionSearch { user, client_ip, since, until, dialect, status } = query.search;
        assert_eq!((user, client_ip), (None, "2001:db8::1".parse().ok()));
        assert_eq!((since.unwrap().unix_millis(), until.unwrap().unix_seconds()), (1_767_225_600_007, 1_769_817_600));
        assert_eq!((dialect, status), (Some(Dialect::Kratos), Some(SessionStatus::SecondFactorPending)));
        assert_eq!(query.after.unwrap().to_string(), PLACE);
        let first = query.text(None);
        assert!(first.starts_with("user=ada+%26+co&ip=2001%3ADB8%3A%3A1&before=2026-01-31&after="), "{first}");
        assert_eq!(query.text(query.after), format!("{first}&cursor={PLACE}"));
    }

    #[test]
    fn what_cannot_be_searched_for_is_told_in_order() {
        let asked = [
            ("ip", "192.0.2.0/24"),
            ("before", "yesterday"),
            ("after", "2026"),
            ("dialect", "Kratos"),
            ("state", "idle"),
            ("cursor", "7"),
        ];
        assert_eq!(parsed(&asked).wrong, asked.map(|(name, _)| name));
        assert_eq!(parsed(&[("state", "live"), ("ip", "x")]).wrong, ["ip"]);
    }
}
