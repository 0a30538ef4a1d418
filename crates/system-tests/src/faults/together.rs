//! Two replicas start at the same moment on one empty database: one makes the schema, both serve.

use std::time::Duration;

use anyhow::{Result, bail};

use thunderhead_system_tests::live::TestBed;
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::report::Report;
use thunderhead_system_tests::live::site::{Engine, Site};
use thunderhead_system_tests::requests::{PASSWORD, log_in, register, who_am_i};

const TIMES: u32 = 5;
const LONGEST: Duration = Duration::from_secs(20);
/// Each migration, as often as it was noted.
const MIGRATIONS: &str = "select count(*) || ' ' || count(distinct version) from __diesel_schema_migrations";

pub(super) fn run(bed: &TestBed, report: &mut Report) -> Result<()> {
    let violations = report.violations();
    let mut schema = String::new();
    for round in 0..TIMES {
        let site = Site::new(bed, Engine::Postgres)?;
        let launched = [site.launch()?, site.launch()?];
        let mut replicas = vec![];
        for launched in launched {
            match launched.wait_until_it_serves() {
                Ok(server) => replicas.push(server),
                Err(error) => violations.add(format!("together: {error:#}")),
            }
        }
        let mut clients: Vec<_> = replicas.iter().map(|server| Client::patient_for(server.address, LONGEST)).collect();
        let [first, second] = clients.as_mut_slice() else { continue };
        for client in [&mut *first, &mut *second] {
            let ready = client.ask(&Request::new("GET", "/health/ready"))?;
            violations.unless(ready.status == 200, || format!("together: not ready: {ready}"));
        }
        // What one gives out, the other knows.
        let name = format!("ada{round}");
        let registered = first.ask(&register(&name))?;
        let login = second.ask(&log_in(&name, PASSWORD))?;
        for (client, answer) in [(&mut *second, registered), (&mut *first, login)] {
            let used = client.ask(&who_am_i(&answer.text("token")))?;
            violations.unless(used.status == 200, || format!("together: {answer}, then at the other {used}"));
        }
        let noted = bed.sql(&site.database, MIGRATIONS)?;
        let Some((all, distinct)) = noted.trim().split_once(' ') else { bail!("no migrations: {noted}") };
        violations.unless(all == distinct && all != "0", || format!("together: {all} migrations, {distinct} of them"));
        schema = format!("{distinct} migrations");
    }
    report.row("together", Engine::Postgres, format!("{TIMES} times two replicas, one schema of {schema}"));
    Ok(())
}
