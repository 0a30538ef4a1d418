//! Webhooks: endpoints that the feed's events are posted to, in order, and how far each has got.

pub mod address;

use std::fmt;

use uuid::Uuid;

use crate::event::{EventCursor, EventTypes};
use crate::named::named;
use crate::service::ServiceName;
use crate::time::Timestamp;

/// The most endpoints there may be: each is served by a task of its own.
pub const MOST_WEBHOOKS: u32 = 100;

/// What an endpoint is known by in the database: its secrets are bound to it when they are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookId(pub Uuid);

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// An endpoint's name, of the same form as a [`ServiceName`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookName(ServiceName);

/// A text that cannot name an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's name is 1 to 64 of a-z A-Z 0-9 _ - . and begins with a letter, a digit or _")]
pub struct InvalidWebhookName;

impl WebhookName {
    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for WebhookName {
    type Error = InvalidWebhookName;

    fn try_from(text: String) -> Result<Self, InvalidWebhookName> {
        ServiceName::try_from(text).map(Self).map_err(|_| InvalidWebhookName)
    }
}

impl fmt::Display for WebhookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where events are posted to. Its path may hold a secret of the receiver's, so `Debug` shows the origin alone.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(String);

impl WebhookUrl {
    /// From a text that has been checked, or from the database.
    pub fn from_checked(text: String) -> Self {
        Self(text)
    }

    /// The whole URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port, which hold no secret.
    pub fn origin(&self) -> &str {
        let host = self.0.find("://").map_or(0, |scheme| scheme + 3);
        let end = self.0.get(host..).and_then(|rest| rest.find(['/', '?', '#']));
        end.and_then(|end| self.0.get(..host + end)).unwrap_or(&self.0)
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebhookUrl").field(&self.origin()).finish()
    }
}

/// An endpoint's secrets, each encrypted by who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSecrets {
    /// The one that signs, as a compact JWE (RFC 7516).
    pub sealed: String,
    /// The one before, which signs as well until the receiver has the new one.
    pub previous: Option<PreviousSecret>,
}

/// A secret that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousSecret {
    /// The secret, as a compact JWE.
    pub sealed: String,
    /// Until when it signs.
    pub until: Timestamp,
}

named! {
    /// Why an endpoint gets nothing any more until the operator says otherwise.
    StopReason:
    /// It did not take an event, however often it was tried.
    Attempts "attempts",
    /// The events that follow are not kept any more, or a backup was restored.
    CursorGone "cursor-gone",
    /// It answered that it is gone for good (410).
    Gone "gone",
}

/// How it stands with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    /// It gets what there is.
    Delivering,
    /// It did not take the next event, which will be tried again.
    Retrying {
        /// How often that event was tried.
        attempts: u32,
        /// When it is tried next.
        next_at: Timestamp,
    },
    /// It gets nothing.
    Stopped {
        /// Since when.
        at: Timestamp,
        /// Why.
        why: StopReason,
    },
}

/// How it stands with an endpoint, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookCondition {
    /// It gets what there is.
    Delivering,
    /// The next event will be tried again.
    Retrying,
    /// It waits for the operator.
    Parked,
    /// It asked for nothing more.
    Off,
}

impl WebhookCondition {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Delivering, Self::Retrying, Self::Parked, Self::Off];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivering => "delivering",
            Self::Retrying => "retrying",
            Self::Parked => "parked",
            Self::Off => "off",
        }
    }
}

impl WebhookState {
    /// The same in a word.
    pub const fn condition(self) -> WebhookCondition {
        match self {
            Self::Delivering => WebhookCondition::Delivering,
            Self::Retrying { .. } => WebhookCondition::Retrying,
            Self::Stopped { why: StopReason::Gone, .. } => WebhookCondition::Off,
            Self::Stopped { why: StopReason::Attempts | StopReason::CursorGone, .. } => WebhookCondition::Parked,
        }
    }

    /// Whether something may be sent at a moment.
    pub fn is_due(self, now: Timestamp) -> bool {
        match self {
            Self::Delivering => true,
            Self::Retrying { next_at, .. } => next_at <= now,
            Self::Stopped { .. } => false,
        }
    }
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookFailure {
    /// When.
    pub at: Timestamp,
    /// What went wrong, in words. Nothing of an answer's body.
    pub what: String,
}

/// How far an endpoint has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookProgress {
    /// The last event that it has taken, or that was not for it.
    pub cursor: EventCursor,
    /// How it stands.
    pub state: WebhookState,
    /// When it last took an event.
    pub succeeded_at: Option<Timestamp>,
    /// The last attempt that failed.
    pub failure: Option<WebhookFailure>,
}

impl WebhookProgress {
    /// That of an endpoint that gets what comes after a place in the feed.
    pub const fn from(cursor: EventCursor) -> Self {
        Self { cursor, state: WebhookState::Delivering, succeeded_at: None, failure: None }
    }
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Its name.
    pub name: WebhookName,
    /// Where it is.
    pub url: WebhookUrl,
    /// Which events it gets.
    pub types: EventTypes,
    /// Whether it gets personal data with them.
    pub personal: bool,
    /// Its secrets.
    pub secrets: WebhookSecrets,
    /// When it was made.
    pub created_at: Timestamp,
    /// How far it has got.
    pub progress: WebhookProgress,
    /// Until when a replica has it for itself, by that replica's clock.
    pub leased_until: Option<Timestamp>,
}

/// The right of one replica to deliver to an endpoint, until it ends or somebody else has got the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookLease {
    /// Whose.
    pub webhook: WebhookId,
    /// Its number: later ones have higher ones.
    pub number: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_shown_and_the_rest_of_a_url_is_not() {
        for (url, origin) in [
            ("https://hooks.example/services/s3cret", "https://hooks.example"),
            ("https://hooks.example:8443/", "https://hooks.example:8443"),
            ("http://[::1]:9000?s3cret", "http://[::1]:9000"),
            ("https://hooks.example", "https://hooks.example"),
            ("s3cret-without-a-scheme/x", "s3cret-without-a-scheme"),
        ] {
            let url = WebhookUrl::from_checked(url.to_owned());
            assert_eq!(url.origin(), origin);
            assert!(url.as_str().starts_with(origin));
            assert_eq!(format!("{url:?}"), format!("WebhookUrl({origin:?})"));
        }
    }

    #[test]
    fn an_endpoint_is_called_as_a_service_is() {
        let name = WebhookName::try_from("Hooks_2.eu-west".to_owned()).unwrap();
        assert_eq!((name.as_str(), name.to_string().as_str()), ("Hooks_2.eu-west", "Hooks_2.eu-west"));
        assert_eq!(WebhookName::try_from("--help".to_owned()), Err(InvalidWebhookName));
        assert_eq!(WebhookId(Uuid::from_u128(0xab)).to_string(), "00000000-0000-0000-0000-0000000000ab");
    }

    #[test]
    fn an_endpoint_is_tried_when_it_is_time_and_never_while_it_is_stopped() {
        let at = Timestamp::from_unix_seconds;
        let retrying = WebhookState::Retrying { attempts: 1, next_at: at(5) };
        assert!(WebhookState::Delivering.is_due(at(0)) && !retrying.is_due(at(4)) && retrying.is_due(at(5)));
        for (why, name) in StopReason::TABLE {
            let stopped = WebhookState::Stopped { at: at(0), why };
            assert!(!stopped.is_due(at(9)) && stopped.condition() as usize >= 2, "{name}");
        }
        let names = WebhookCondition::ALL.map(WebhookCondition::name);
        assert_eq!(names[retrying.condition() as usize], "retrying");
    }
}
