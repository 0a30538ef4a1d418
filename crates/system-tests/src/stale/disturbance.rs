//! Faults that are made while sessions are ended: 503 is then a right answer, and a stale one is not.

use anyhow::Result;

use super::ledger::REPLICAS;
use super::run::StaleRun;
use super::{SPELL, foreign_writer};
use crate::faults::connections::KILL;
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::{TestBed, pause, wait_for};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// A replica is stopped where it stands, and goes on later with whatever it had in hand.
    Paused,
    Connections,
    Restarted,
    /// Another program writes to the SQLite file, checkpoints, vacuums, and is killed.
    ForeignWriter,
}

impl Disturbance {
    /// Those that there are with this database.
    pub(super) const fn on(engine: Engine) -> &'static [Self] {
        match engine {
            Engine::Postgres => &[Self::Paused, Self::Connections, Self::Restarted],
            Engine::Sqlite => &[Self::Paused, Self::ForeignWriter],
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Paused => "replicas paused",
            Self::Connections => "connections killed",
            Self::Restarted => "Postgres restarted",
            Self::ForeignWriter => "sqlite3 at work",
        }
    }

    /// Makes it again and again until all is over. Returns how often.
    pub(super) fn go_on(
        self,
        bed: &mut TestBed,
        site: &Site,
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
                Self::Connections => drop(bed.sql(&site.database, KILL)?),
                Self::Restarted => {
                    pause(SPELL * 3);
                    bed.cluster.stop(&bed.postgres)?;
                    pause(SPELL);
                    bed.cluster.start_again(&bed.postgres)?;
                    wait_for("Postgres", SPELL * 100, || bed.cluster.is_ready(&bed.postgres).then_some(()))?;
                }
                Self::ForeignWriter => foreign_writer::work(site, made)?,
            }
            made += 1;
            if self != Self::ForeignWriter {
                pause(SPELL);
            }
        }
        Ok(made)
    }
}
