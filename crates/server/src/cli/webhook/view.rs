//! How an endpoint is shown. Nothing of its secrets.

use serde::Serialize;
use thunderhead_auth::webhooks::manage::WebhookStatus;
use thunderhead_domain::label::is_unprintable;
use thunderhead_domain::webhook::WebhookState;

/// An endpoint in JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookJson {
    name: String,
    url: String,
    types: String,
    with_personal: bool,
    created_at: String,
    state: &'static str,
    /// Why it is parked or off.
    reason: Option<&'static str>,
    stopped_at: Option<String>,
    /// How often the next event was tried.
    attempts: u32,
    next_attempt_at: Option<String>,
    last_success_at: Option<String>,
    last_failure_at: Option<String>,
    last_failure: Option<String>,
    cursor: String,
    /// How many events there are behind the cursor; `null` where it is gone.
    events_behind: Option<u64>,
    previous_secret_until: Option<String>,
}

impl From<&WebhookStatus> for WebhookJson {
    fn from(WebhookStatus { webhook, behind }: &WebhookStatus) -> Self {
        let progress = &webhook.progress;
        let (attempts, next, stopped) = match progress.state {
            WebhookState::Delivering => (0, None, None),
            WebhookState::Retrying { attempts, next_at } => (attempts, Some(next_at), None),
            WebhookState::Stopped { at, why } => (0, None, Some((at, why))),
        };
        Self {
            name: webhook.name.to_string(),
            url: webhook.url.as_str().to_owned(),
            types: webhook.types.to_string(),
            with_personal: webhook.personal,
            created_at: webhook.created_at.to_string(),
            state: progress.state.condition().name(),
            reason: stopped.map(|(_, why)| why.name()),
            stopped_at: stopped.map(|(at, _)| at.to_string()),
            attempts,
            next_attempt_at: next.map(|at| at.to_string()),
            last_success_at: progress.succeeded_at.map(|at| at.to_string()),
            last_failure_at: progress.failure.as_ref().map(|failure| failure.at.to_string()),
            last_failure: progress.failure.as_ref().map(|failure| failure.what.clone()),
            cursor: progress.cursor.to_string(),
            events_behind: *behind,
            previous_secret_until: webhook.secrets.previous.as_ref().map(|previous| previous.until.to_string()),
        }
    }
}

impl WebhookJson {
    /// The same for people: a line, and below it what is wrong.
    pub(super) fn plain(&self) -> String {
        let personal = if self.with_personal { "  with personal data" } else { "" };
        let behind = self.events_behind.map_or_else(String::new, |events| format!("  {events} events behind"));
        let last = self
            .last_success_at
            .as_ref()
            .map_or_else(|| "  nothing delivered yet".to_owned(), |moment| format!("  last delivered {moment}"));
        let mut lines =
            vec![format!("{}  {}  {}  {}{personal}{last}{behind}", self.name, self.state, self.url, self.types)];
        if let (Some(reason), Some(at)) = (self.reason, &self.stopped_at) {
            lines.push(format!(
                "  {} since {at}: {reason}; `thunderhead webhook resend {}` goes on",
                self.state, self.name
            ));
        }
        if let Some(next) = &self.next_attempt_at {
            lines.push(format!("  attempts: {}, the next at {next}", self.attempts));
        }
        if let (Some(what), Some(at)) = (&self.last_failure, &self.last_failure_at) {
            lines.push(format!("  last failure {at}: {}", printable(what)));
        }
        if let Some(until) = &self.previous_secret_until {
            lines.push(format!("  the secret before signs as well until {until}"));
        }
        lines.join("\n")
    }
}

/// What others have had a part in, without anything that a terminal might obey.
fn printable(text: &str) -> String {
    text.chars().map(|character| if is_unprintable(character) { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::to_value;
    use thunderhead_domain::event::EventCursor;
    use thunderhead_domain::time::Timestamp;
    use thunderhead_domain::webhook::{
        PreviousSecret, StopReason, Webhook, WebhookFailure, WebhookId, WebhookName, WebhookProgress, WebhookSecrets,
        WebhookUrl,
    };
    use uuid::Uuid;

    use super::*;

    const MADE: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn status(state: WebhookState) -> WebhookStatus {
        let progress = WebhookProgress {
            state,
            succeeded_at: Some(MADE.plus_seconds(60)),
            failure: Some(WebhookFailure { at: MADE.plus_seconds(120), what: "answered \u{1b}[2J".to_owned() }),
            ..WebhookProgress::from(EventCursor { number: 7, nonce: 1 })
        };
        let webhook = Webhook {
            id: WebhookId(Uuid::from_u128(1)),
            name: WebhookName::try_from("shop".to_owned()).unwrap(),
            url: WebhookUrl::from_checked("https://hooks.example/in".to_owned()),
            types: "session.ended,user.banned".parse().unwrap(),
            personal: false,
            secrets: WebhookSecrets {
                sealed: "sealed".to_owned(),
                previous: Some(PreviousSecret { sealed: "before".to_owned(), until: MADE.plus_seconds(180) }),
            },
            created_at: MADE,
            progress,
            leased_until: None,
        };
        WebhookStatus { webhook, behind: Some(3) }
    }

    #[test]
    fn a_list_tells_how_an_endpoint_stands_and_nothing_of_its_secrets() {
        let parked = status(WebhookState::Stopped { at: MADE.plus_seconds(120), why: StopReason::Attempts });
        let json = WebhookJson::from(&parked);
        assert_eq!(
            json.plain(),
            "shop  parked  https://hooks.example/in  session.ended,user.banned  last delivered 2027-01-15T08:01:00.000Z  \
             3 events behind\n  parked since 2027-01-15T08:02:00.000Z: attempts; `thunderhead webhook resend shop` goes \
             on\n  last failure 2027-01-15T08:02:00.000Z: answered \u{fffd}[2J\n  the secret before signs as well until \
             2027-01-15T08:03:00.000Z"
        );
        let value = to_value(&json).unwrap();
        assert_eq!((&value["state"], &value["reason"]), (&"parked".into(), &"attempts".into()));
        assert_eq!((&value["eventsBehind"], &value["cursor"]), (&3.into(), &"7-0000000000000001".into()));
        for text in [json.plain(), value.to_string()] {
            assert!(!text.contains("sealed") && !text.contains("before\""), "{text}");
        }
        let retrying = WebhookJson::from(&status(WebhookState::Retrying { attempts: 2, next_at: MADE }));
        assert!(
            retrying.plain().contains("shop  retrying") && retrying.plain().contains("attempts: 2, the next at 2027")
        );
    }
}
