//! What lies in `deploy/` for whoever watches the server: it asks for measurements that there are.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Connection, Process};

const RULES: &str = include_str!("../../../../deploy/prometheus/thunderhead.rules.yml");
const DASHBOARD: &str = include_str!("../../../../deploy/grafana/thunderhead.json");
const DOCUMENTED: &str = include_str!("../../../../docs/OPERATIONS.md");

/// Where settings are given as variables.
const WITH_VARIABLES: [&str; 5] = [
    include_str!("../../../../deploy/Containerfile"),
    include_str!("../../../../deploy/compose.yaml"),
    include_str!("../../../../deploy/kubernetes/deployment.yaml"),
    include_str!("../../../../deploy/kubernetes/kustomization.yaml"),
    include_str!("../../../../deploy/kubernetes/migrate/job.yaml"),
];
const SETTINGS: &str = include_str!("../../../../docs/CONFIGURATION.md");

/// Labels that Prometheus adds.
const OF_THE_SCRAPE: [&str; 2] = ["job", "instance"];
/// A label of which not all values are there from the start.
const GROWING: &str = "status";

/// What the server exposes: each measurement with its labels, and their values.
type Exposed = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn exposed() -> Exposed {
    let mut process = Process::start(&[("METRICS_LISTEN", "127.0.0.1:0"), ("HTTP__DRAIN_MS", "0")]);
    let metrics = process.address_after("\"metrics\":\"http://");
    let text = Connection::open(metrics).unwrap().ask("GET", "/metrics", "").unwrap().body;
    process.signal(Signal::TERM);
    assert_eq!(process.end().code, Some(0));
    let mut exposed = Exposed::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, labels) = selectors(line).remove(0);
        let of_name = exposed.entry(name).or_default();
        for Matcher { label, value, .. } in labels {
            of_name.entry(label).or_default().insert(value);
        }
    }
    exposed
}

/// `label="value"`, or with another operator.
struct Matcher {
    label: String,
    operator: String,
    value: String,
}

/// Every measurement of ours in a text, with what stands in the braces behind it.
fn selectors(text: &str) -> Vec<(String, Vec<Matcher>)> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let starts = text.match_indices("thunderhead_").map(|(at, _)| at);
    let starts = starts.filter(|at| !text[..*at].ends_with(is_of_name));
    let selector = |at: usize| {
        let (name, rest) =
            text[at..].split_at(text[at..].find(|letter| !is_of_name(letter)).unwrap_or(text.len() - at));
        // Routes have braces of their own.
        let braces = rest.strip_prefix('{').and_then(|rest| rest.split_once("\"}")).map_or("", |(braces, _)| braces);
        let matchers = braces.split("\",").filter(|matcher| !matcher.trim().is_empty()).map(|matcher| {
            let (label, rest) = matcher.trim().split_at(matcher.trim().find(['=', '!']).expect("an operator"));
            let (operator, value) = rest.split_once('"').expect("a value in quotes");
            Matcher { label: label.into(), operator: operator.into(), value: value.into() }
        });
        (name.to_owned(), matchers.collect())
    };
    starts.map(selector).collect()
}

/// The labels by which a text groups.
fn groupings(text: &str) -> impl Iterator<Item = &str> {
    let lists = text.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    lists.flat_map(|list| list.split(',').map(str::trim))
}

/// Whether one of the values is what an operator asks for, as far as we use regular expressions.
fn is_met(operator: &str, wanted: &str, values: &BTreeSet<String>) -> bool {
    let fits = |pattern: &str, value: &String| match (pattern.strip_prefix(".*"), pattern.strip_suffix(".*")) {
        (Some(end), _) => value.ends_with(end),
        (_, Some(start)) => value.starts_with(start),
        _ => value == pattern,
    };
    match operator {
        "=" => values.contains(wanted),
        "=~" | "!~" => wanted.split('|').all(|pattern| values.iter().any(|value| fits(pattern, value))),
        other => panic!("what does {other} ask for?"),
    }
}

/// The texts of a document that are asked of Prometheus.
fn questions(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match value.as_str() {
                Some(text) if name == "expr" || name == "query" => vec![text.to_owned()],
                _ => questions(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(questions).collect(),
        _ => vec![],
    }
}

/// Fails where something is asked for that is not there.
fn assert_answered(question: &str, exposed: &Exposed) {
    let mut groups = BTreeSet::from(OF_THE_SCRAPE);
    for (name, matchers) in selectors(question) {
        let labels = exposed.get(&name).unwrap_or_else(|| panic!("{name} is not measured, in: {question}"));
        groups.extend(labels.keys().map(String::as_str));
        let ours = matchers.into_iter().filter(|matcher| !OF_THE_SCRAPE.contains(&&*matcher.label));
        for Matcher { label, operator, value } in ours {
            assert!(labels.contains_key(&label), "{name} has no label {label}, in: {question}");
            // Times have a route only once there was a request for it.
            let values = exposed.values().filter_map(|labels| labels.get(&label)).flatten().cloned().collect();
            assert!(label == GROWING || is_met(&operator, &value, &values), "{label}{operator}{value} of {name}");
        }
    }
    for label in groupings(question) {
        assert!(groups.contains(label), "nothing has the label {label}, in: {question}");
    }
}

#[test]
fn alerts_and_the_dashboard_ask_for_what_is_measured() {
    let exposed = exposed();
    let alerts: Vec<_> = RULES.split("- alert: ").skip(1).collect();
    let dashboard = questions(&serde_json::from_str(DASHBOARD).unwrap());
    assert!(alerts.len() > 10 && dashboard.len() > 20);
    for question in alerts.iter().map(|alert| (*alert).to_owned()).chain(dashboard.clone()) {
        assert_answered(&question, &exposed);
    }
    // And what is measured can be seen.
    let all = dashboard.join("\n");
    for name in exposed.keys() {
        let shown = ["_sum", "_count", "_bucket"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(all.contains(shown), "no panel shows {shown}");
    }
}

#[test]
fn each_alert_has_its_row_in_the_documentation() {
    let named: BTreeSet<_> = RULES.split("- alert: ").skip(1).filter_map(|alert| alert.lines().next()).collect();
    let rows = DOCUMENTED.lines().filter_map(|line| line.strip_prefix("| `Thunderhead")?.split('`').next());
    let rows: BTreeSet<_> = rows.map(|rest| format!("Thunderhead{rest}")).collect();
    assert_eq!(named, rows.iter().map(String::as_str).collect());
}

#[test]
fn what_is_not_measured_is_noticed() {
    let exposed = exposed();
    for question in [
        "rate(thunderhead_made_up_total[5m])",
        r#"thunderhead_webhooks{made_up="parked"}"#,
        r#"thunderhead_webhooks{state="made up"}"#,
        r#"thunderhead_webhooks{state=~"parked|made up"}"#,
        "sum by (made_up) (thunderhead_webhooks)",
    ] {
        assert!(std::panic::catch_unwind(|| assert_answered(question, &exposed)).is_err(), "{question}");
    }
}

#[test]
fn each_variable_of_a_deployment_is_a_setting() {
    let is_of_name = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    for text in WITH_VARIABLES {
        let variables: BTreeSet<_> = text.split(|letter| !is_of_name(letter)).collect();
        let variables = variables.iter().filter_map(|word| word.strip_prefix("THUNDERHEAD_"));
        let keys: Vec<_> = variables.map(|name| name.to_ascii_lowercase().replace("__", ".")).collect();
        assert!(!keys.is_empty(), "{text}");
        for key in keys {
            assert!(SETTINGS.contains(&format!("\n| `{key}` |")), "{key} is no setting");
        }
    }
}
