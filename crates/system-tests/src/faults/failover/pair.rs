//! A primary with a synchronous standby, and the address that leads to one of them.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use thunderhead_system_tests::live::site::Site;
use thunderhead_system_tests::live::switch::{Destination, Switch};
use thunderhead_system_tests::live::{TestBed, signal, wait_for};
use thunderhead_tooling::process::output;
use thunderhead_tooling::throwaway::ThrowAwayCluster;

/// How long replication may take to begin, and a standby to become the primary.
const LONGEST: Duration = Duration::from_secs(60);
const DATABASE: &str = "failover";
/// What a cluster needs in order to have a standby. Commits wait for it.
const REPLICATED: [&str; 4] = ["wal_level=replica", "max_wal_senders=5", "synchronous_commit=on", "hot_standby=on"];

/// Makes a server's own checks find a primary everywhere, so that it is seen what they are for.
const DISARM: &str = "create schema disarmed;
    create function disarmed.pg_is_in_recovery() returns boolean language sql as 'select false';
    create function disarmed.current_setting(text) returns text language sql as 'select text ''off''';
    alter database failover set search_path = disarmed, pg_catalog, public";

pub(in super::super) struct Pair<'a> {
    bed: &'a TestBed,
    primary: ThrowAwayCluster,
    standby: ThrowAwayCluster,
    pub(in super::super) switch: Switch,
    /// Whether the servers' checks are put out of action.
    disarmed: bool,
}

impl<'a> Pair<'a> {
    /// Starts both, with an empty database. The address leads to the primary.
    pub(in super::super) fn set_up(bed: &'a TestBed, disarmed: bool) -> Result<Self> {
        let primary = ThrowAwayCluster::start_with(&bed.postgres, &REPLICATED)?;
        let standby = ThrowAwayCluster::standby_of(&bed.postgres, &primary, &REPLICATED)?;
        let switch = Switch::to(Destination::To(primary.port()))?;
        let pair = Self { bed, primary, standby, switch, disarmed };
        // From here on, nothing is acknowledged that the standby does not have.
        pair.on_primary("postgres", "alter system set synchronous_standby_names = '*'")?;
        pair.on_primary("postgres", "select pg_reload_conf()")?;
        wait_for("a synchronous standby", LONGEST, || {
            let states = pair.on_primary("postgres", "select sync_state from pg_stat_replication").ok()?;
            (states.trim() == "sync").then_some(())
        })?;
        pair.on_primary("postgres", &format!("create database {DATABASE}"))?;
        if disarmed {
            pair.on_primary(DATABASE, DISARM)?;
        }
        Ok(pair)
    }

    /// Where servers run whose database is behind this port of the loopback address.
    pub(in super::super) fn site(&self, port: u16) -> Result<Site> {
        let parameters = if self.disarmed { "?target_session_attrs=any" } else { "" };
        Site::at(self.bed, &format!("postgres://postgres@127.0.0.1:{port}/{DATABASE}{parameters}"))
    }

    pub(in super::super) const fn database(&self) -> &'static str {
        DATABASE
    }

    fn on_primary(&self, database: &str, statement: &str) -> Result<String> {
        self.primary.sql(&self.bed.postgres, database, statement)
    }

    /// Leads new connections to the primary.
    pub(in super::super) fn lead_to_primary(&self) {
        self.switch.lead(Destination::To(self.primary.port()));
    }

    /// Leads new connections to the standby.
    pub(in super::super) fn lead_to_standby(&self) {
        self.switch.lead(Destination::To(self.standby.port()));
    }

    /// Leads new connections to the one and to the other.
    pub(in super::super) fn lead_to_both(&self) {
        self.switch.lead(Destination::Alternately(self.primary.port(), self.standby.port()));
    }

    /// Has the standby receive what is written, and not show it.
    pub(in super::super) fn hold_back(&self) -> Result<()> {
        self.standby.sql(&self.bed.postgres, "postgres", "select pg_wal_replay_pause()").map(drop)
    }

    /// Has the standby show what it has received.
    pub(in super::super) fn go_on(&self) -> Result<()> {
        self.standby.sql(&self.bed.postgres, "postgres", "select pg_wal_replay_resume()").map(drop)
    }

    /// Kills the primary, all of it: an old primary that still answers is what an operator must rule out.
    pub(in super::super) fn kill_primary(&self) -> Result<()> {
        let mut head = self.bed.postgres.command("head", self.primary.folder());
        head.args(["-n", "1", "data/postmaster.pid"]);
        let head = output(head)?;
        let postmaster: u32 = head.trim().parse().context("no process in postmaster.pid")?;
        let mut list = self.bed.postgres.command("ps", self.primary.folder());
        list.args(["-A", "-o", "pid=", "-o", "ppid="]);
        let mut processes = vec![postmaster];
        for line in output(list)?.lines() {
            let numbers: Vec<u32> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
            if let [process, parent] = numbers[..]
                && parent == postmaster
            {
                processes.push(process);
            }
        }
        if processes.len() < 2 {
            bail!("the primary has no processes");
        }
        for process in processes {
            // One may have ended by itself meanwhile, a parallel worker or a connection.
            drop(signal("KILL", process));
        }
        Ok(())
    }

    /// Makes the standby a primary, with which commits wait for nobody.
    pub(in super::super) fn promote(&self) -> Result<()> {
        let postgres = &self.bed.postgres;
        let mut command = postgres.command(postgres.program("pg_ctl"), self.standby.folder());
        command.args(["-D", "data", "-w", "-s", "promote"]);
        output(command).map(drop)
    }
}
