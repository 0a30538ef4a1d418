//! Faults that are made while sessions are ended: 503 is then a right answer, and a stale one is not.

use anyhow::Result;

use super::SPELL;
use super::ledger::REPLICAS;
use super::run::StaleRun;
use crate::faults::connections::KILL;
use thunderhead_system_tests::live::site::Server;
use thunderhead_system_tests::live::{TestBed, pause, wait_for};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// A replica is stopped where it stands, and goes on later with whatever it had in hand.
    Paused,
    Connections,
    Restarted,
}

impl Disturbance {
    pub(super) const ALL: [Self; 3] = [Self::Paused, Self::Connections, Self::Restarted];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Paused => "replicas paused",
            Self::Connections => "connections killed",
            Self::Restarted => "Postgres restarted",
        }
    }

    /// Makes it again and again until all is over. Returns how often.
    pub(super) fn go_on(
        self,
        bed: &mut TestBed,
        database: &str,
        replicas: &[Server; REPLICAS],
        run: &StaleRun<'_>,
    ) -> Result<u32> {
        let mut made = 0;
        while !run.is_over() {
            match self {
                Self::Paused => {
                    let replica = &replicas[made as usize % REPLICAS];
                    replica.signal("STOP")?;
                    pause(SPELL);
                    replica.signal("CONT")?;
                }
                Self::Connections => drop(bed.sql(database, KILL)?),
                Self::Restarted => {
                    pause(SPELL * 3);
                    bed.cluster.stop(&bed.postgres)?;
                    pause(SPELL);
                    bed.cluster.start_again(&bed.postgres)?;
                    wait_for("Postgres", SPELL * 100, || bed.sql("postgres", "select 1").ok())?;
                }
            }
            made += 1;
            pause(SPELL);
        }
        Ok(made)
    }
}
