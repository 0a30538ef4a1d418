//! What `hooks.py` counted, summed over the runs of one kind of caller.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

#[derive(Default)]
pub(super) struct Figures {
    pub(super) cases: u64,
    callers: u64,
    /// Questions beside the cases that were asked again, because their connection had ended.
    repeated: u64,
    statuses: BTreeMap<String, u64>,
    /// Operations that were tried, and those among them that succeeded at least once.
    tried: BTreeSet<String>,
    succeeded: BTreeSet<String>,
}

impl Figures {
    /// Adds those of a run, and returns its number of cases.
    pub(super) fn add(&mut self, run: &Value) -> u64 {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let cases = number(&run["cases"]);
        self.cases += cases;
        self.callers += number(&run["callers"]);
        self.repeated += number(&run["repeated"]);
        for (status, count) in run["statuses"].as_object().into_iter().flatten() {
            *self.statuses.entry(status.clone()).or_default() += number(count);
        }
        for (operation, statuses) in run["seen"].as_object().into_iter().flatten() {
            // Methods that an endpoint has not are tried too; its answer to them is 405 and nothing else.
            if statuses.as_object().is_some_and(|seen| seen.keys().any(|status| status != "405")) {
                self.tried.insert(operation.clone());
            }
            if statuses.as_object().is_some_and(|seen| seen.keys().any(|status| status.starts_with('2'))) {
                self.succeeded.insert(operation.clone());
            }
        }
        cases
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cases, callers, repeated, statuses, tried, succeeded } = self;
        let (tried, succeeded) = (tried.len(), succeeded.len());
        write!(f, "{cases} cases by {callers} callers; {tried} operations, {succeeded} of them with success;")?;
        statuses.iter().try_for_each(|(status, count)| write!(f, " {status}: {count}"))?;
        if *repeated > 0 { write!(f, "; {repeated} questions of the callers' own repeated") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn runs_are_summed() {
        let mut figures = Figures::default();
        let run = |path: &str, status: &str| json!({"cases": 2, "callers": 1, "statuses": {status: 1, "405": 1}, "seen": {path: {status: 1}, "PUT /b": {"405": 1}}});
        assert_eq!(figures.add(&run("GET /a", "200")), 2);
        figures.add(&run("GET /a", "401"));
        figures.add(&run("GET /c", "401"));
        assert_eq!(
            figures.to_string(),
            "6 cases by 3 callers; 2 operations, 1 of them with success; 200: 1 401: 2 405: 3"
        );
    }
}
