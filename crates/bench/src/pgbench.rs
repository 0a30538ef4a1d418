//! Statements by Postgres' own load generator, without a server in between.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use thunderhead_system_tests::live::TestBed;
use thunderhead_system_tests::live::site::Site;
use thunderhead_tooling::process;

/// A script for `pgbench`, and the database that it runs in. It uses up rows: those from `:first` on.
pub(crate) struct PgBench<'a> {
    bed: &'a TestBed,
    database: String,
    script: PathBuf,
    first: u64,
}

impl<'a> PgBench<'a> {
    pub(crate) fn new(bed: &'a TestBed, site: &Site, name: &str, script: &str) -> Result<Self> {
        // Where whoever runs Postgres can read it.
        let file = bed.cluster.folder().join(format!("{}-{name}.sql", site.database));
        fs::write(&file, script)?;
        bed.postgres.hand_over(&file)?;
        Ok(Self { bed, database: bed.cluster.database(&site.database), script: file, first: 1 })
    }

    /// Runs it over so many connections, and returns the transactions per second. So many rows are used up at most.
    pub(crate) fn run(&mut self, connections: u32, seconds: u32, rows: u64) -> Result<f64> {
        let postgres = &self.bed.postgres;
        let mut pgbench = postgres.command(postgres.program("pgbench"), self.bed.cluster.folder());
        pgbench.args(["--no-vacuum", "--protocol=prepared", "--jobs=2"]);
        pgbench.args([format!("--client={connections}"), format!("--time={seconds}")]);
        pgbench.args([format!("--define=first={}", self.first), format!("--define=clients={connections}")]);
        pgbench.arg("--define=number=-1").arg("--file").arg(&self.script).arg(&self.database);
        self.first += rows;
        let said = process::output(pgbench).context("`pgbench` ran into an error, or out of rows")?;
        parse(&said).with_context(|| format!("`pgbench` did not say how many transactions it ran:\n{said}"))
    }
}

/// `tps = 1234.5 (without initial connection time)`
fn parse(said: &str) -> Option<f64> {
    said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_per_second_are_read() {
        let said = "latency average = 3.240 ms\ntps = 1234.567890 (without initial connection time)\n";
        assert_eq!(parse(said), Some(1234.56789));
        assert_eq!(parse("pgbench: error"), None);
    }
}
