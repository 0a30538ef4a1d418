//! `cargo xtask deployment`: what lies in `deploy/` for Prometheus, Grafana and Kubernetes, read by their own programs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use thunderhead_tooling::installed::{Wanted, ensure_there};
use thunderhead_tooling::process;

const WANTED: [Wanted; 3] = [
    ("promtool", &["--version"], "Debian: apt-get install --no-install-recommends prometheus"),
    ("kubectl", &["version", "--client"], "https://kubernetes.io/docs/tasks/tools"),
    ("kubectl-validate", &["--help"], "go install sigs.k8s.io/kubectl-validate@v0.0.4"),
];
/// What the panels ask with, in place of what Grafana puts there.
const VARIABLES: [(&str, &str); 3] = [("$__rate_interval", "5m"), ("$job", "thunderhead"), ("$instance", ".*")];
/// The oldest and the newest version of Kubernetes whose types `kubectl-validate` has with it, of those that have all that
/// is used.
const KUBERNETES: [&str; 2] = ["1.27", "1.30"];

/// Runs them, and fails if one finds something.
pub(crate) fn run() -> Result<()> {
    ensure_there(&WANTED)?;
    let deploy = process::workspace()?.join("deploy");
    let scratch = tempfile::tempdir().context("a folder for temporary files")?;
    alerts(&deploy)?;
    dashboard(&deploy, scratch.path())?;
    manifests(&deploy, scratch.path())
}

/// The rules can be read, and go off when they should.
fn alerts(deploy: &Path) -> Result<()> {
    let promtool = |task: &str, file: &str| {
        let mut command = Command::new("promtool");
        command.current_dir(deploy.join("prometheus")).args([task, "rules", file]);
        process::run(command, &[])
    };
    promtool("check", "thunderhead.rules.yml")?;
    promtool("test", "thunderhead.test.yml")
}

/// Prometheus understands what the panels ask: as rules, because only those can be checked without a server.
fn dashboard(deploy: &Path, scratch: &Path) -> Result<()> {
    let text = fs::read_to_string(deploy.join("grafana/thunderhead.json")).context("the dashboard")?;
    let expressions = expressions(&serde_json::from_str(&text).context("the dashboard")?);
    ensure!(!expressions.is_empty(), "the dashboard asks nothing");
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (number, expression) in expressions.iter().enumerate() {
        let asked = VARIABLES.iter().fold(expression.clone(), |asked, (name, value)| asked.replace(name, value));
        writeln!(rules, "      - record: panel:{number}\n        expr: {}", Value::from(asked))?;
    }
    let file = scratch.join("dashboard.rules.yml");
    fs::write(&file, rules)?;
    let mut command = Command::new("promtool");
    command.args(["check", "rules"]).arg(file);
    process::run(command, &[])
}

fn expressions(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let own = members.get("expr").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(members.values().flat_map(expressions)).collect()
        }
        Value::Array(items) => items.iter().flat_map(expressions).collect(),
        _ => vec![],
    }
}

/// The manifests fit together, and are of the types that Kubernetes knows.
fn manifests(deploy: &Path, scratch: &Path) -> Result<()> {
    for folder in ["kubernetes", "kubernetes/migrate"] {
        let mut command = Command::new("kubectl");
        command.arg("kustomize").arg(deploy.join(folder));
        let made = scratch.join(format!("{}.yaml", folder.replace('/', "-")));
        fs::write(&made, process::output(command)?)?;
        for version in KUBERNETES {
            let mut command = Command::new("kubectl-validate");
            command.args(["--version", version]).arg(&made);
            process::run(command, &[])?;
        }
    }
    Ok(())
}
