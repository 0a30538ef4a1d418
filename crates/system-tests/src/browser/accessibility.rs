//! Barriers in pages, as axe-core finds them.

use anyhow::{Context, Result};
use serde_json::Value;

use super::packages;
use super::tab::Tab;

/// One line for each element that is a barrier.
const VIOLATIONS: &str = "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.flatMap(\
    ({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`)))";

/// The script that looks for them.
pub(super) struct Axe(String);

impl Axe {
    pub(super) fn install() -> Result<Self> {
        packages::script("axe-core/axe.min.js").map(Self)
    }

    /// Looks at what a tab shows.
    pub(super) fn violations(&self, tab: &Tab) -> Result<Vec<String>> {
        tab.evaluate(&format!("{}; null", self.0))?;
        let found = tab.evaluate(VIOLATIONS)?;
        let found = found.as_array().context("axe has no list of violations")?;
        Ok(found.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }
}
