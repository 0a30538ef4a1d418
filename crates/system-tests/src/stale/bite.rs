//! What is made to go wrong, to show that it would be noticed.

use std::fs;
use std::process::Command;

use anyhow::Result;

use thunderhead_system_tests::live::TestBed;
use thunderhead_system_tests::live::site::{Engine, Site};
use thunderhead_tooling::process;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bite {
    /// Replicas answer from their caches alone for ten minutes.
    StaleCaches,
    /// A counter stands still: replicas are not told of the changes that it should have numbered.
    OneCounter,
    /// Servers see nothing that is committed: their system tells them what it told them first.
    FrozenHeader,
}

/// Changes of the partition go where no number leads.
const STAND_STILL: &str = "
    CREATE SEQUENCE elsewhere MINVALUE 1000000;
    CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.number := OLD.number; NEW.nonce := OLD.nonce; RETURN NEW; END';
    CREATE FUNCTION log_elsewhere() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.number := nextval(''elsewhere''); RETURN NEW; END';
    CREATE TRIGGER stand_still BEFORE UPDATE ON change_counters
        FOR EACH ROW WHEN (OLD.partition = 7) EXECUTE FUNCTION stand_still();
    CREATE TRIGGER log_elsewhere BEFORE INSERT ON change_log
        FOR EACH ROW WHEN (NEW.partition = 7) EXECUTE FUNCTION log_elsewhere();";

impl Bite {
    pub(super) const fn on(engine: Engine) -> &'static [Self] {
        match engine {
            Engine::Postgres => &[Self::StaleCaches, Self::OneCounter],
            Engine::Sqlite => &[Self::FrozenHeader],
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::StaleCaches => "replicas that go by their caches",
            Self::OneCounter => "replicas that ignore one counter",
            Self::FrozenHeader => "servers that see no commits",
        }
    }

    /// Done before the replicas start.
    pub(super) fn set_up(self, site: &mut Site) -> Result<()> {
        match self {
            Self::StaleCaches => site.set("CACHE__MAX_STALENESS_MS", "600000"),
            Self::OneCounter => {}
            Self::FrozenHeader => freeze_header(site)?,
        }
        Ok(())
    }

    /// Done once they have made the schema.
    pub(super) fn break_database(self, bed: &TestBed, site: &Site) -> Result<()> {
        match self {
            Self::StaleCaches | Self::FrozenHeader => Ok(()),
            Self::OneCounter => bed.sql(&site.database, STAND_STILL).map(drop),
        }
    }
}

fn freeze_header(site: &mut Site) -> Result<()> {
    let [source, library] = ["frozen_header.c", "frozen_header.so"].map(|name| site.folder().join(name));
    fs::write(&source, include_str!("frozen_header.c"))?;
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O2", "-o"]).args([&library, &source]).arg("-ldl");
    process::output(compiler)?;
    site.preload(library);
    Ok(())
}
