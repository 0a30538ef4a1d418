//! A primary with a standby, and the address that leads to one of them.

use std::time::Duration;

use anyhow::Result;

use super::health::Health;
use thunderhead_system_tests::live::site::Site;
use thunderhead_system_tests::live::switch::{Destination, Switch};
use thunderhead_system_tests::live::{TestBed, wait_for};
use thunderhead_tooling::postgres::lasting_port;
use thunderhead_tooling::process::output;
use thunderhead_tooling::throwaway::ThrowAwayCluster;

/// How long replication may take to begin, and a standby to become the primary.
const LONGEST: Duration = Duration::from_secs(60);
const DATABASE: &str = "failover";
/// What a cluster needs in order to have a standby. Commits wait for it where it is a synchronous one.
const REPLICATED: [&str; 4] = ["wal_level=replica", "max_wal_senders=5", "synchronous_commit=on", "hot_standby=on"];

/// Makes a server's own checks find a primary everywhere, so that it is seen what they are for.
const DISARM: &str = "create schema disarmed;
    create function disarmed.pg_is_in_recovery() returns boolean language sql as 'select false';
    create function disarmed.current_setting(text) returns text language sql as 'select text ''off''';
    alter database failover set search_path = disarmed, pg_catalog, public";

/// Whether commits wait for the standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Replication {
    Synchronous,
    Asynchronous,
}

impl Replication {
    /// What Postgres says of a standby that has caught up.
    const fn state(self) -> &'static str {
        match self {
            Self::Synchronous => "streaming sync",
            Self::Asynchronous => "streaming async",
        }
    }
}

/// A machine: its port stays when another cluster takes the place of one that was lost.
pub(in super::super) struct Node {
    cluster: ThrowAwayCluster,
    pub(in super::super) health: Health,
}

impl Node {
    fn new(cluster: ThrowAwayCluster) -> Result<Self> {
        Ok(Self { cluster, health: Health::start()? })
    }

    pub(in super::super) const fn port(&self) -> u16 {
        self.cluster.port()
    }
}

pub(in super::super) struct Pair<'a> {
    bed: &'a TestBed,
    replication: Replication,
    nodes: [Node; 2],
    /// Which of them has the primary.
    leader: usize,
    /// Where the standby finds its primary.
    link: Switch,
    /// The address that goes with the primary.
    pub(in super::super) switch: Switch,
    /// Whether the servers' checks are put out of action.
    disarmed: bool,
}

impl<'a> Pair<'a> {
    /// Starts both, with an empty database. The address leads to the primary.
    pub(in super::super) fn set_up(bed: &'a TestBed, replication: Replication) -> Result<Self> {
        let primary = ThrowAwayCluster::start_at(&bed.postgres, lasting_port()?, &REPLICATED)?;
        let link = Switch::to(Destination::To(primary.port()))?;
        let standby = standby(bed, lasting_port()?, &link)?;
        let switch = Switch::to(Destination::To(primary.port()))?;
        let nodes = [Node::new(primary)?, Node::new(standby)?];
        let pair = Self { bed, replication, nodes, leader: 0, link, switch, disarmed: false };
        pair.wait_for_standby()?;
        pair.on_primary("postgres", &format!("create database {DATABASE}"))?;
        pair.primary().health.leads(true);
        Ok(pair)
    }

    /// Puts the servers' checks out of action.
    pub(in super::super) fn disarm(&mut self) -> Result<()> {
        self.on_primary(DATABASE, DISARM)?;
        self.disarmed = true;
        Ok(())
    }

    /// Where servers run whose database is behind this port of the loopback address.
    pub(in super::super) fn site(&self, port: u16) -> Result<Site> {
        let parameters = if self.disarmed { "?target_session_attrs=any" } else { "" };
        Site::at(self.bed, &format!("postgres://postgres@127.0.0.1:{port}/{DATABASE}{parameters}"))
    }

    /// The same where they are told both addresses, and find the primary themselves.
    pub(in super::super) fn site_with_both(&self) -> Result<Site> {
        let [one, other] = self.nodes.each_ref().map(Node::port);
        Site::at(self.bed, &format!("postgres://postgres@127.0.0.1:{one},127.0.0.1:{other}/{DATABASE}"))
    }

    pub(in super::super) const fn database(&self) -> &'static str {
        DATABASE
    }

    pub(in super::super) const fn nodes(&self) -> &[Node; 2] {
        &self.nodes
    }

    fn primary(&self) -> &Node {
        &self.nodes[self.leader]
    }

    fn standby(&self) -> &Node {
        &self.nodes[1 - self.leader]
    }

    fn on_primary(&self, database: &str, statement: &str) -> Result<String> {
        self.primary().cluster.sql(&self.bed.postgres, database, statement)
    }

    fn on_standby(&self, statement: &str) -> Result<()> {
        self.standby().cluster.sql(&self.bed.postgres, "postgres", statement).map(drop)
    }

    /// Leads new connections to the primary.
    pub(in super::super) fn lead_to_primary(&self) {
        self.switch.lead(Destination::To(self.primary().port()));
    }

    /// Leads new connections to the standby.
    pub(in super::super) fn lead_to_standby(&self) {
        self.switch.lead(Destination::To(self.standby().port()));
    }

    /// Leads new connections to the one and to the other.
    pub(in super::super) fn lead_to_both(&self) {
        self.switch.lead(Destination::Alternately(self.primary().port(), self.standby().port()));
    }

    /// Has the standby receive what is written, and not show it.
    pub(in super::super) fn hold_back(&self) -> Result<()> {
        self.on_standby("select pg_wal_replay_pause()")
    }

    /// Has the standby show what it has received.
    pub(in super::super) fn go_on(&self) -> Result<()> {
        self.on_standby("select pg_wal_replay_resume()")
    }

    /// Has the standby receive nothing more.
    pub(in super::super) fn part(&self) {
        self.link.lead(Destination::Nowhere);
        self.link.cut();
    }

    /// Kills the primary, all of it: an old primary that still answers is what an operator must rule out.
    pub(in super::super) fn kill_primary(&mut self) -> Result<()> {
        let node = &mut self.nodes[self.leader];
        node.health.leads(false);
        node.cluster.kill(&self.bed.postgres)?;
        self.switch.lead(Destination::Nowhere);
        self.switch.cut();
        Ok(())
    }

    /// Makes the standby the primary, and leads new connections there. Commits wait for nobody until there is another
    /// standby.
    pub(in super::super) fn promote(&mut self) -> Result<()> {
        self.on_standby("alter system reset synchronous_standby_names")?;
        self.on_standby("select pg_reload_conf()")?;
        let postgres = &self.bed.postgres;
        let mut command = postgres.command(postgres.program("pg_ctl"), self.standby().cluster.folder());
        command.args(["-D", "data", "-w", "-s", "promote"]);
        output(command)?;
        self.leader = 1 - self.leader;
        self.primary().health.leads(true);
        self.lead_to_primary();
        Ok(())
    }

    /// A moment that is after all that was done so far, as the command line reads it.
    pub(in super::super) fn soon(&self) -> Result<String> {
        let moment =
            "select to_char((now() + interval '1 second') at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
        Ok(self.on_primary("postgres", moment)?.trim().to_owned())
    }

    /// Puts a new standby where the old primary was.
    pub(in super::super) fn replace_lost(&mut self) -> Result<()> {
        self.link.lead(Destination::To(self.primary().port()));
        let lost = &mut self.nodes[1 - self.leader];
        lost.cluster = standby(self.bed, lost.port(), &self.link)?;
        self.wait_for_standby()
    }

    /// Waits until the standby has caught up, and where it is to be a synchronous one, until nothing is acknowledged any
    /// more that it does not have.
    fn wait_for_standby(&self) -> Result<()> {
        if self.replication == Replication::Synchronous {
            self.on_primary("postgres", "alter system set synchronous_standby_names = '*'")?;
            self.on_primary("postgres", "select pg_reload_conf()")?;
        }
        let right = self.replication.state();
        let caught_up = || {
            let states = "select state || ' ' || sync_state from pg_stat_replication";
            let states = self.on_primary("postgres", states).ok()?;
            (states.trim() == right).then_some(())
        };
        wait_for("a standby that has caught up", LONGEST, caught_up).map(drop)
    }
}

fn standby(bed: &TestBed, port: u16, link: &Switch) -> Result<ThrowAwayCluster> {
    let primary = format!("postgres://postgres@127.0.0.1:{}/postgres", link.port());
    ThrowAwayCluster::standby_at(&bed.postgres, port, &primary, &REPLICATED)
}
