//! `thunderhead service …`: other services that may ask whose token something is.

use clap::Subcommand;
use serde::Serialize;
use thunderhead_domain::service::{EventAccess, Service};

use super::form::{Form, JsonList};
use super::on_database;
use crate::config::Config;
use crate::error::CommandError;

/// What can be done with services.
#[derive(Debug, Subcommand)]
pub(super) enum ServiceCommand {
    /// Make a service known. Its secret is printed once, and cannot be had again.
    Create {
        /// Its name, which is its client id
        name: String,
        /// It may read the feed of events
        #[arg(long)]
        events: bool,
        /// The feed tells it personal data, too: addresses, names, user agents and who acted
        #[arg(long, requires = "events")]
        with_personal: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Show all of them.
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Revoke one: it is told nothing from now on.
    Revoke {
        /// Its name
        name: String,
        #[command(flatten)]
        form: Form,
    },
}

/// A new service in JSON.
#[derive(Serialize)]
struct Created<'a> {
    name: &'a str,
    secret: &'a str,
}

/// A revoked service in JSON.
#[derive(Serialize)]
struct Revoked<'a> {
    name: &'a str,
    revoked: bool,
}

/// A service in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceJson {
    name: String,
    created_at: String,
    revoked_at: Option<String>,
    asked_at: Option<String>,
    /// Whether it may read the feed of events.
    events: bool,
    /// Whether that tells it personal data.
    with_personal: bool,
}

/// Does it; returns what is to be printed.
pub(super) fn run(config: &Config, command: ServiceCommand) -> Result<String, CommandError> {
    on_database(config, async |operator| match command {
        ServiceCommand::Create { name, events, with_personal, form } => {
            let events = match (events, with_personal) {
                (false, _) => EventAccess::Denied,
                (true, false) => EventAccess::Plain,
                (true, true) => EventAccess::Personal,
            };
            let secret = operator.service_create(&name, events).await?;
            let secret = secret.expose();
            form.print(&Created { name: &name, secret }, || format!("{name}:{secret}"))
        }
        ServiceCommand::List { form } => {
            let services: Vec<_> = operator.service_list().await?.iter().map(json).collect();
            let plain = services.iter().map(row).collect::<Vec<_>>().join("\n");
            form.print(&JsonList::whole(services), || plain)
        }
        ServiceCommand::Revoke { name, form } => {
            operator.service_revoke(&name).await?;
            form.print(&Revoked { name: &name, revoked: true }, || format!("Revoked {name}."))
        }
    })
}

fn json(service: &Service) -> ServiceJson {
    ServiceJson {
        name: service.name.to_string(),
        created_at: service.created_at.to_string(),
        revoked_at: service.revoked_at.map(|moment| moment.to_string()),
        asked_at: service.asked_at.map(|moment| moment.to_string()),
        events: service.events != EventAccess::Denied,
        with_personal: service.events == EventAccess::Personal,
    }
}

fn row(service: &ServiceJson) -> String {
    let revoked = service.revoked_at.as_ref().map_or_else(String::new, |moment| format!("  revoked {moment}"));
    let asked =
        service.asked_at.as_ref().map_or_else(|| "never asked".to_owned(), |moment| format!("last asked {moment}"));
    let events = match (service.events, service.with_personal) {
        (false, _) => "",
        (true, false) => "  reads events",
        (true, true) => "  reads events with personal data",
    };
    format!("{}  since {}  {asked}{events}{revoked}", service.name, service.created_at)
}

#[cfg(test)]
mod tests {
    use serde_json::{json as value, to_value};
    use thunderhead_domain::service::ServiceName;
    use thunderhead_domain::session::TokenDigest;
    use thunderhead_domain::time::Timestamp;

    use super::*;

    const MADE: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn listed(events: EventAccess, asked_at: Option<i64>, revoked_at: Option<i64>) -> (String, serde_json::Value) {
        let moment = |seconds| MADE.plus_seconds(seconds);
        let shown = json(&Service {
            name: ServiceName::try_from("uploads".to_owned()).unwrap(),
            secret: TokenDigest([0; 32]),
            events,
            created_at: MADE,
            revoked_at: revoked_at.map(moment),
            asked_at: asked_at.map(moment),
        });
        (row(&shown), to_value(shown).unwrap())
    }

    #[test]
    fn a_list_tells_when_a_service_last_asked_and_what_it_may_read() {
        let (made, asked, revoked) =
            ("2027-01-15T08:00:00.000Z", "2027-01-15T08:01:00.000Z", "2027-01-15T08:02:00.000Z");
        let never = value!({
            "name": "uploads", "createdAt": made, "revokedAt": null, "askedAt": null, "events": false, "withPersonal": false,
        });
        assert_eq!(listed(EventAccess::Denied, None, None), (format!("uploads  since {made}  never asked"), never));
        let gone = value!({
            "name": "uploads", "createdAt": made, "revokedAt": revoked, "askedAt": asked, "events": true,
            "withPersonal": false,
        });
        let plain = format!("uploads  since {made}  last asked {asked}  reads events  revoked {revoked}");
        assert_eq!(listed(EventAccess::Plain, Some(60), Some(120)), (plain, gone));
        let (plain, told) = listed(EventAccess::Personal, None, None);
        assert_eq!(plain, format!("uploads  since {made}  never asked  reads events with personal data"));
        assert_eq!((&told["events"], &told["withPersonal"]), (&value!(true), &value!(true)));
    }
}
